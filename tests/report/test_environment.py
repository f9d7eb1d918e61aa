"""What a report says of the machine: plain values, and nothing of the user's files."""

import json
import subprocess
from pathlib import Path

import torch

from harness.report import environment
from harness.report.environment import describe

KEYS = {
    "version", "commit", "python", "torch", "numpy", "platform", "processor", "cores", "memory_gib",
    "threads", "cuda", "time",
}  # fmt: skip


def test_everything_a_reader_needs_is_there():
    """As plain values that JSON can hold."""
    found = describe()
    assert found.keys() >= KEYS
    assert json.loads(json.dumps(found)) == found
    assert found["torch"] == torch.__version__
    assert found["threads"] == torch.get_num_threads()
    assert isinstance(found["cores"], int)
    assert found["cores"] > 0


def test_nothing_of_the_user_is_in_it():
    """No home, no directory."""
    shown = json.dumps(describe())
    assert str(Path.home()) not in shown or str(Path.home()) == "/"
    assert str(Path(__file__).resolve().parent) not in shown


def test_what_cannot_be_found_out_is_none(monkeypatch):
    """Without git there is no commit; with it, a short hash or None before the first."""

    def failing(*_given, **_named):
        raise FileNotFoundError("git")

    found = environment._commit()
    assert found is None or int(found, 16) >= 0
    monkeypatch.setattr(subprocess, "run", failing)
    assert environment._commit() is None


def test_the_processor_has_a_name_without_proc(monkeypatch):
    """Where /proc is missing, the platform is asked."""
    assert environment._processor()

    def failing(*_given, **_named):
        raise OSError("no /proc")

    monkeypatch.setattr(Path, "read_text", failing)
    assert environment._processor()
