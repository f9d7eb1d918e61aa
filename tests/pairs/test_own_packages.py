"""A user's own `scratch` or `builtin` in the way costs one sentence, at every door."""

import subprocess
import sys
from types import ModuleType

import pytest

import builtin
import harness
import scratch
from harness.errors import InputError
from harness.pairs import packages

DOORS = {
    "compare": ["-m", "harness.cli", "compare", "--case", "mse-d2"],
    "check": ["-m", "harness.cli", "check", "answer.py"],
    "bench": ["-m", "harness.cli", "bench", "--quick"],
    "list": ["-m", "harness.cli", "list", "pairs"],
    "python": ["-c", "from harness import compare"],
}


def put(folder, path):
    """Write a file of the user's own that must not be run; its path."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("raise SystemExit('the program of another')\n", "utf-8")
    return file


def test_ours_are_taken():
    """Control: where nothing stands in the way."""
    assert packages.own_packages() == (scratch, builtin)


@pytest.mark.parametrize(
    "path", ["scratch.py", "builtin.py", "scratch/__init__.py", "builtin/__init__.py"]
)
def test_another_that_would_be_imported_is_named(path, monkeypatch, tmp_path):
    """And not run, nor kept."""
    file = put(tmp_path, path)
    name = path.partition("/")[0].removesuffix(".py")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name)
    with pytest.raises(InputError) as raised:
        packages.own_packages()
    assert str(raised.value) == (
        f"{file} comes before our own package {name!r}: rename it, or run this in another folder."
    )
    assert name not in sys.modules


def test_another_that_was_imported_is_named(monkeypatch):
    """As a notebook has done that uses a module of its own; one without a file too."""
    other = ModuleType("scratch")
    other.__file__ = "/home/me/scratch.py"
    monkeypatch.setitem(sys.modules, "scratch", other)
    with pytest.raises(InputError, match=r"^/home/me/scratch\.py comes before our own"):
        packages.own_packages()
    monkeypatch.setitem(sys.modules, "scratch", ModuleType("scratch"))
    with pytest.raises(InputError, match="a module without a file"):
        packages.own_packages()


def test_a_folder_that_is_no_package_stands_in_nobodys_way(monkeypatch, tmp_path):
    """Control: Python passes it over where a package of that name comes later."""
    (tmp_path / "scratch").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "scratch")
    scratch_package, _ = packages.own_packages()
    assert scratch_package.__file__ == scratch.__file__


@pytest.mark.parametrize(
    "door",
    [
        pytest.param(name, marks=[] if name in {"check", "python"} else pytest.mark.slow)
        for name in DOORS
    ],
)
def test_every_door_says_so_in_a_sentence(door, tmp_path):
    """Status 2 from the command; InputError, and not a name that is missing, from Python."""
    file = put(tmp_path, "scratch.py")
    (tmp_path / "answer.py").write_text("def linreg(X, w, b):\n    return X @ w + b\n", "utf-8")
    done = subprocess.run(
        [sys.executable, *DOORS[door]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    sentence = f"{file} comes before our own package 'scratch'"
    last = done.stderr.splitlines()[-1]
    assert sentence in last
    assert "the program of another" not in done.stdout + done.stderr
    if door == "python":
        assert last.startswith("harness.errors.InputError: ")
    else:
        assert done.returncode == 2
        assert done.stderr.splitlines() == [last]
        assert done.stdout == ""


def test_what_breaks_an_import_is_not_called_a_missing_name(monkeypatch):
    """An AttributeError on the way, else told as "cannot import name"; a name that is not there."""

    def broken(name):
        raise AttributeError("module 'torch' has no attribute 'Tensor'")

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        harness.nothing  # noqa: B018 - asking is the test
    monkeypatch.setattr(harness, "import_module", broken)
    with pytest.raises(ImportError, match="finding cannot be imported: module 'torch' has no"):
        from harness import compare  # noqa: F401 - importing is the test
