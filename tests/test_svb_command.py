"""The command as it is installed: ours, or a sentence that names what stands in the way."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import svb_command

ROOT = Path(__file__).resolve().parent.parent
MAIN = "import sys, svb_command; sys.exit(svb_command.main())"


def test_ours_is_found(monkeypatch):
    """Control: loaded or not."""
    assert svb_command.other_harness() is None
    monkeypatch.delitem(sys.modules, "harness")
    assert svb_command.other_harness() is None
    assert "harness" not in sys.modules


def test_another_is_named(monkeypatch, tmp_path):
    """One that would be imported, one that has been, and one without a file."""
    file = tmp_path / "harness.py"
    file.touch()
    other = ModuleType("harness")
    monkeypatch.setitem(sys.modules, "harness", other)
    assert svb_command.other_harness() == "another package of this name"
    other.__file__ = str(file)
    assert svb_command.other_harness() == str(file)
    monkeypatch.delitem(sys.modules, "harness")
    monkeypatch.syspath_prepend(tmp_path)
    assert svb_command.other_harness() == str(file)


@pytest.mark.parametrize("own", [True, False])
def test_the_command_ends_with_2_beside_another(own, tmp_path):
    """In a sentence; control: without another it answers."""
    if own:
        (tmp_path / "harness.py").write_text("raise SystemExit('another program')", "utf-8")
    words = [sys.executable, "-c", MAIN, "--help"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    file = tmp_path / "harness.py"
    message = f"{file} comes before our own package 'harness'"
    said = f"svb: {message}: rename it, or run this in another folder.\n"
    assert (done.returncode, done.stderr) == ((2, said) if own else (0, ""))
    assert bool(done.stdout) is not own
