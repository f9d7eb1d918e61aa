"""The mutation run counts right, knows what it did before, and refuses what is not green."""

import json
import re
from pathlib import Path

import pytest

from tests.mutation.run import (
    ELSEWHERE,
    NEAREST,
    Result,
    judging_modules,
    known,
    renewed,
    run,
    suite_of,
    table,
    tasks,
)

MODULE = "harness/engine/toy.py"
TOY = "def is_large(x):\n    return x > 10\n"
LOADED = "import runpy\n\nis_large = runpy.run_path('harness/engine/toy.py')['is_large']\n\n"
# notices that nothing is returned and that sides are swapped, but never asks at the border
TEST = LOADED + "def test_it():\n    assert is_large(30) is True\n    assert is_large(3) is False\n"


@pytest.fixture
def toy(tmp_path):
    """Return the root of a project of one module and one test."""
    root = tmp_path / "toy"
    for path, text in ((MODULE, TOY), ("tests/engine/test_toy.py", TEST)):
        (root / path).parent.mkdir(parents=True)
        (root / path).write_text(text)
    return root


def test_killed_and_survived_are_told_apart_and_kept(toy, tmp_path, capsys):
    """The border survives; a later call runs nothing again, and says the same."""
    kept = tmp_path / "kept.jsonl"
    todo = list(tasks(toy, [MODULE], 100, seed=0))
    results = run(toy, todo, kept, jobs=2, limit=60)
    by_change = {result.change: result.killed for result in results}
    assert by_change == {
        "x > 10 → (x >= 10)": False,
        "x > 10 → (x <= 10)": True,
        "10 → (20)": False,
        "10 → (5)": False,
        "return x > 10 → return None": True,
    }
    assert (toy / MODULE).read_text() == TOY
    assert "killed" in capsys.readouterr().out
    assert run(toy, todo, kept, jobs=1, limit=60) == results
    assert capsys.readouterr().out == ""
    text = table(results, 0)
    assert f"| `{MODULE}` | 5 | 2 | 3 |" in text
    assert f"| `{MODULE}:2` | comparison | `x > 10 → (x >= 10)` |" in text


def test_a_test_that_fails_or_hangs_as_it_is_is_refused(toy, tmp_path):
    """It would kill every mutant."""
    todo = list(tasks(toy, [MODULE], 1, seed=0))
    test = toy / "tests" / "engine" / "test_toy.py"
    for text in ("def test_it():\n    assert False\n", "import time\ntime.sleep(60)\n"):
        test.write_text(text)
        with pytest.raises(RuntimeError, match="as it is"):
            run(toy, todo, tmp_path / "kept.jsonl", jobs=1, limit=3)
    test.write_text("")
    with pytest.raises(RuntimeError, match="no test was run"):
        run(toy, todo, tmp_path / "kept.jsonl", jobs=1, limit=60)


def test_what_has_changed_is_judged_again(toy):
    """Its key is another one: by the module's text, and by that of its tests."""
    keys = {task.key for task in tasks(toy, [MODULE], 100, seed=0)}
    assert len(keys) == 5
    assert {task.key for task in tasks(toy, [MODULE], 100, seed=1)} == keys
    (toy / MODULE).write_text(TOY + "\n")
    assert not keys & {task.key for task in tasks(toy, [MODULE], 100, seed=0)}
    (toy / MODULE).write_text(TOY)
    (toy / "tests" / "engine" / "test_toy.py").write_text(TEST + "\n")
    assert not keys & {task.key for task in tasks(toy, [MODULE], 100, seed=0)}


def test_a_sample_is_drawn_from_the_seed(toy):
    """The same for the same seed, and of the number asked for."""
    first = [task.key for task in tasks(toy, [MODULE], 2, seed=0)]
    assert first == [task.key for task in tasks(toy, [MODULE], 2, seed=0)]
    assert len(first) == 2
    others = {tuple(t.key for t in tasks(toy, [MODULE], 2, seed=seed)) for seed in range(9)}
    assert len(others) > 1


def test_a_line_that_was_cut_off_is_not_known(tmp_path):
    """As where the run was killed while it wrote."""
    result = Result("a", MODULE, 1, "not", "x → y", killed=True, seconds=1.0)
    kept = tmp_path / "kept.jsonl"
    line = json.dumps(vars(result))
    kept.write_text(f"{line}\n{line[:20]}")
    assert known(kept) == {"a": result}
    assert known(tmp_path / "none") == {}


def test_every_module_that_judges_has_its_tests(request):
    """Its own first; where there are none, an error."""
    root = request.config.rootpath
    modules = judging_modules(root)
    assert len(modules) > 10
    for module in modules:
        assert suite_of(root, module)
    first, *others = suite_of(root, "harness/engine/tolerance.py")
    assert first == "tests/engine/test_tolerance.py"
    assert "tests/engine/test_pins.py" in others
    with pytest.raises(FileNotFoundError):
        suite_of(root, "harness/nowhere/module.py")


def test_what_is_tested_elsewhere_is_run_as_well(request):
    """Each file once, between the module's own and the nearest; all that is named is there."""
    root = request.config.rootpath
    for module, paths in ELSEWHERE.items():
        assert (root / "harness" / f"{module}.py").exists()
        suite = suite_of(root, f"harness/{module}.py")
        assert len(set(suite)) == len(suite)
        assert set(paths) <= set(suite)
    assert all((root / path).exists() for paths in NEAREST.values() for path in paths)
    assert suite_of(root, "harness/engine/updates.py")[:2] == (
        "tests/engine/test_updates.py",
        "tests/engine/test_oracle.py",
    )


def test_what_is_said_by_hand_stays():
    """Only the figures below it are others."""
    old = "# Page\n\nWords.\n\n" + table([], 0)
    assert renewed(old, table([], 1)) == "# Page\n\nWords.\n\n" + table([], 1)
    assert renewed("", table([], 1)) == table([], 1)


def test_the_kept_page_meets_its_floor():
    """At least nine of ten are noticed."""
    page = (Path(__file__).parents[2] / "docs" / "mutation.md").read_text("utf-8")
    (row,) = re.findall(r"^\| \*\*all\*\* \| (\d+) \| (\d+) \| (\d+) \|$", page, re.MULTILINE)
    made, killed, survived = map(int, row)
    assert made == killed + survived >= 200
    assert killed >= 0.9 * made
