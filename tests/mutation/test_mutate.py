"""Each kind of change is the one it says, made where it should be and nowhere else."""

import ast
from pathlib import Path

import pytest

from tests.mutation.mutate import mutants

ROOT = Path(__file__).resolve().parents[2]


def changes(source, kind):
    """Return the sources that the changes of a kind make."""
    return [mutant.of(source) for mutant in mutants(source) if mutant.kind == kind]


@pytest.mark.parametrize(
    ("kind", "source", "changed"),
    [
        ("comparison", "x = a < b", ["x = (a <= b)", "x = (a >= b)"]),
        ("comparison", "x = a <= b", ["x = (a < b)", "x = (a > b)"]),
        ("comparison", "x = a > b", ["x = (a <= b)", "x = (a >= b)"]),
        ("comparison", "x = a >= b", ["x = (a < b)", "x = (a > b)"]),
        ("comparison", "x = a == b", ["x = (a != b)"]),
        ("comparison", "x = a is not b", ["x = (a is b)"]),
        ("comparison", "x = a in b", ["x = (a not in b)"]),
        ("and/or", "x = a and b or c", ["x = (a or b) or c", "x = ((a and b) and c)"]),
        ("not", "x = not a", ["x = (a)"]),
        ("not", "x = ~a", ["x = (a)"]),
        ("arithmetic", "x = a * b", ["x = (a / b)"]),
        ("arithmetic", "x = (a + b) / c", ["x = ((a - b)) / c", "x = ((a + b) * c)"]),
        ("arithmetic", "x = a & b", ["x = (a | b)"]),
        ("constant", "x = 4.0", ["x = (2.0)", "x = (8.0)"]),
        ("constant", "x = 0", ["x = (1)"]),
        ("constant", "x = 1", ["x = (0)", "x = (2)"]),
        ("constant", "x = 6", ["x = (12)", "x = (3)"]),
        ("extreme", "x = min(a, key=b)", ["x = (max(a, key=b))"]),
        ("extreme", "x = a.amax(1)", ["x = (a.amin(1))"]),
        ("return", "def f():\n    return a", ["def f():\n    return None"]),
        (
            "return",
            "def f() -> bool:\n    return a",
            ["def f() -> bool:\n    return False", "def f() -> bool:\n    return True"],
        ),
        ("statement", "self.x = 1", ["pass"]),
        ("statement", "x[0] = 1", ["pass"]),
        ("statement", "x += 1", ["pass"]),
    ],
)
def test_a_change_is_what_it_says(kind, source, changed):
    """All changes of this kind, in this source."""
    assert sorted(changes(source, kind)) == sorted(changed)


@pytest.mark.parametrize(
    "source",
    [
        '"""1 < 2."""',
        "assert a < 1",
        'x = f"{a < 1}"',
        "def f(x: Literal[1]) -> Literal[2]: ...",
        "if TYPE_CHECKING:\n    x = 1",
        'x = "a" + b',
        "x = True",
        "def f():\n    return None",
        "@given(1)\ndef f(): ...",
    ],
)
def test_what_judges_nothing_is_left_alone(source):
    """Words, annotations, assertions: the controls."""
    assert mutants(source) == []


def test_a_change_keeps_every_other_line_where_it_is():
    """Also where it takes a few lines away; text that is not ASCII is counted in bytes."""
    source = (
        "def f():\n    # √\n    x = 'ŷ' if (a and\n        b) else 1\n"
        "    return [\n        a,\n    ]\ny = 2\n"
    )
    made = mutants(source)
    assert {mutant.kind for mutant in made} == {"and/or", "constant", "return"}
    for mutant in made:
        lines = mutant.of(source).splitlines()
        assert len(lines) == 8
        assert lines[-1] in ("y = 2", "y = (1)", "y = (4)")
    assert next(mutant for mutant in made if mutant.kind == "return").change == (
        "return [ a, ] → return None"
    )


@pytest.mark.parametrize("name", ["engine/tolerance", "engine/stage", "diagnosis/measure"])
def test_every_change_to_a_module_of_ours_parses(name):
    """And is a change."""
    source = (ROOT / "harness" / f"{name}.py").read_text("utf-8")
    made = mutants(source)
    assert len(made) > 20
    for mutant in made:
        assert ast.dump(ast.parse(mutant.of(source))) != ast.dump(ast.parse(source))
