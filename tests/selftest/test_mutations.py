"""The mutations of the judge: what the tests break in it on purpose, and that each is there."""

import ast
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
JUDGE = "tests/engine/test_judge.py::test_a_broken_judge_is_noticed"
ENGINE = "tests/diagnosis/test_finding.py::test_a_broken_engine_is_noticed"
# What is broken in the judge on purpose, and the test that then has to fail.
GUARDS = {
    "every tolerance times a million": f"{JUDGE}[tolerance]",
    "the batch never looked at": f"{JUDGE}[no batch]",
    "the prediction never looked at": f"{JUDGE}[no prediction]",
    "the loss never looked at": f"{JUDGE}[no loss]",
    "the gradient never looked at": f"{JUDGE}[no gradient]",
    "the parameter never looked at": f"{JUDGE}[no parameter]",
    "the subject held against itself": f"{JUDGE}[itself]",
    "the oracle rounded to float32": f"{JUDGE}[coarse oracle]",
    "only the first epoch compared": f"{JUDGE}[first epoch]",
    "NaN taken for anything": f"{JUDGE}[NaN equal]",
    "zeros on both sides taken for agreement": f"{JUDGE}[zeros count]",
    "a pass where nothing was compared": f"{JUDGE}[default pass]",
    "exceptions forgotten": f"{JUDGE}[errors pass]",
    "no forced run": f"{JUDGE}[unforced]",
    "everything equal up to rounding, for a diagnosis": f"{ENGINE}[loose]",
    "the second reply never looked at": f"{ENGINE}[once_only]",
    "a name guessed": f"{ENGINE}[guesses]",
    "all inputs of a question alike": f"{ENGINE}[alike]",
    "no question judged": f"{ENGINE}[unjudged]",
    "the question that only parts mistakes left out": f"{ENGINE}[without_the_extra_question]",
    "every mistake ruled out at a glance": f"{ENGINE}[ruled_out]",
    "every question passed": f"{ENGINE}[pass_all]",
}


def display(path, name):
    """Return the keys, or the items, of a display that is assigned in a test file, as text."""
    for node in ast.parse((ROOT / path).read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            parts: list[Any] = getattr(node.value, "keys", None) or node.value.elts  # type: ignore[attr-defined]
            return {getattr(part, "value", None) or part.id for part in parts}
    raise LookupError(name)


def marks(test):
    """Return the decorators of a test by its id, as text."""
    path, _, function = test.partition("::")
    nodes = ast.walk(ast.parse((ROOT / path).read_text("utf-8")))
    (found,) = (n for n in nodes if isinstance(n, ast.FunctionDef) and n.name == function)
    return {ast.unparse(decorator) for decorator in found.decorator_list}


def test_every_mutation_is_named_and_there():
    """Each mutation has its words here, and no words stand for a mutation that is gone."""
    there = {f"{JUDGE}[{name}]" for name in display("tests/engine/test_judge.py", "NAMES")}
    mutations = display("tests/diagnosis/test_finding.py", "MUTATIONS")
    there |= {f"{ENGINE}[{name}]" for name in mutations}
    assert set(GUARDS.values()) == there


def test_the_mutations_are_run_by_their_mark():
    """`-m mutation`, which docs/proof.md names, selects them and nothing else."""
    markers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["pytest"]
    assert any(line.startswith("mutation:") for line in markers["ini_options"]["markers"])
    assert all("pytest.mark.mutation" in marks(test) for test in (JUDGE, ENGINE))
    paths = {path for path in (ROOT / "tests").rglob("test_*.py") if "corpus" not in path.parts}
    marked = {p for p in paths if "@pytest.mark.mutation\n" in p.read_text("utf-8")}
    assert marked == {ROOT / test.partition("::")[0] for test in (JUDGE, ENGINE)}
