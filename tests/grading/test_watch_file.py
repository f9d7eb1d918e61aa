"""Watching a file: each save is judged once, when it has settled; keys, the end, and refusals.

Time is made up throughout, but for the last tests of a real terminal and a real worker.
"""

import io
import os
import pty
import sys
import termios
import time
from contextlib import contextmanager

import pytest
from rich.console import Console

from harness.cli import main
from harness.errors import InputError
from harness.grading import watch_file
from harness.grading.collect import Entry
from harness.grading.grade import Grader
from harness.grading.result import Checked, Judged
from harness.grading.watch_file import AGAIN, POLL, SETTLED, Saved, keyboard, watch

RIGHT = "def squared_loss(y_hat, y):\n    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2\n"


@pytest.fixture
def path(tmp_path):
    found = tmp_path / "answer.py"
    found.write_text("first")
    return found


def test_a_save_is_told_once_when_it_has_settled(path):
    saved = Saved(path)
    assert saved.changed(0.0) == b"first"
    assert saved.changed(1.0) is None
    path.write_text("second")
    assert saved.changed(2.0) is None
    assert saved.changed(2.0 + SETTLED / 2) is None
    assert saved.changed(2.0 + SETTLED) == b"second"
    assert saved.changed(9.0) is None


def test_a_save_in_several_parts_is_one(path):
    saved = Saved(path)
    saved.changed(0.0)
    for part in range(4):
        path.write_text("x" * (part + 10))
        assert saved.changed(1.0 + part * SETTLED * 0.9) is None
    assert saved.changed(1.0 + 4 * SETTLED) == b"x" * 13


def test_touching_is_not_saving(path):
    saved = Saved(path)
    saved.changed(0.0)
    os.utime(path, (1, 1))
    assert [saved.changed(1.0 + n) for n in range(5)] == [None] * 5


def test_a_change_that_left_time_and_size_alone_is_found(path):
    saved, stat = Saved(path), path.stat()
    saved.changed(0.0)
    path.write_text("fresh")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert saved.changed(0.1) is None
    assert saved.changed(AGAIN) is None
    assert saved.changed(AGAIN + SETTLED) == b"fresh"


def test_a_file_that_is_gone_for_a_moment_is_as_it_was(path):
    saved = Saved(path)
    saved.changed(0.0)
    path.unlink()
    assert saved.changed(1.0) is None
    path.write_text("first")
    assert saved.changed(2.0) is None
    assert saved.changed(3.0) is None


class Judge(Grader):
    """Stands in for a grader: says of an answer what its text says."""

    def __init__(self):
        self.seed = 1
        self.judged: list[str] = []

    def check_all(self, submissions):
        """As `Grader.check_all`."""
        for index, submission in enumerate(submissions):
            text = submission.source.decode()
            self.judged.append(text)
            wrong = Judged("linreg", "fail", hint="think", what="it is off", fix="add b")
            right = Checked(submission.name, "pass")
            yield index, right if text == "right" else Checked("", "fail", None, (wrong,))


@pytest.fixture
def screen(path, monkeypatch):
    """Watches with keys that are pressed by a script; returns what was shown, and the judge."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def run(*script, **settings):
        judge, shown, steps = Judge(), [], iter(script)

        def key(seconds):
            assert seconds == POLL
            now[0] += 1.0
            step = next(steps)
            if not isinstance(step, str):
                step()
                return ""
            return step

        @contextmanager
        def keys():
            yield key

        def show(record, hints):
            shown.append((record.checked.verdict, hints))

        text = io.StringIO()
        console = Console(file=text)
        entry = settings.pop("entry", Entry(str(path), "answer", path))
        status = watch(entry, judge, console, show, keys=keys, **settings)
        return status, shown, judge.judged, text.getvalue()

    return run


def test_each_save_is_judged_once(screen, path):
    save = lambda: path.write_text("right")  # noqa: E731
    status, shown, judged, text = screen("", save, "", "", "", "q")
    assert status == 0
    assert judged == ["first", "right"]
    assert shown == [("fail", 1), ("pass", 1)]
    assert "q: quit" in text


def test_more_help_until_the_next_save(screen, path):
    save = lambda: path.write_text("other")  # noqa: E731
    _, shown, judged, text = screen("h", "h", "h", save, "", "", "q", hints=1)
    assert shown == [("fail", 1), ("fail", 2), ("fail", 3), ("fail", 1)]
    assert judged == ["first", "other"]
    assert text.count("h: more help") == 3


def test_ctrl_c_ends_with_status_0(screen):
    def interrupt():
        raise KeyboardInterrupt

    status, shown, _, _ = screen("", interrupt)
    assert (status, shown) == (0, [("fail", 1)])


def test_standard_input_is_refused(screen):
    with pytest.raises(InputError, match="standard input is never saved"):
        screen("q", entry=Entry("-", "stdin", piped=b"x"))


def test_keys_of_a_terminal_are_read_and_the_terminal_is_put_back(monkeypatch):
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "wb", buffering=0) as pressed, os.fdopen(theirs) as terminal:
        monkeypatch.setattr(sys, "stdin", terminal)
        before = termios.tcgetattr(terminal)
        with keyboard() as key:
            assert termios.tcgetattr(terminal) != before
            assert key(0.0) == ""
            pressed.write(b"H")
            assert key(5.0) == "h"
        assert termios.tcgetattr(terminal) == before


def test_without_a_terminal_there_are_no_keys(monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(sys, "stdin", io.StringIO("q"))
    monkeypatch.setattr(time, "sleep", waited.append)
    with keyboard() as key:
        assert key(0.25) == ""
    assert waited == [0.25]


def test_the_command_shows_a_file_saved_half_and_then_whole(path, monkeypatch, capsys):
    """A real worker, warm between two checks; Ctrl-C when the second has been shown."""
    path.write_text("def squared_loss(y_hat, y)\n")
    shown, ends = [], time.monotonic() + 60

    def wait(seconds):
        shown.append(capsys.readouterr().out)
        if "✓ pass" in "".join(shown) or time.monotonic() > ends:
            raise KeyboardInterrupt
        path.write_text(RIGHT)
        time.sleep(seconds)
        return ""

    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setattr(watch_file, "_no_key", wait)
    assert main(["check", "--watch", str(path)]) == 0
    assert "is not valid Python (line 1)" in "".join(shown)
    assert "✓ pass" in "".join(shown)


@pytest.mark.parametrize("more", [["--format", "json"], ["--out", "there"], ["second.py"]])
def test_the_command_watches_one_file_on_a_terminal(path, monkeypatch, capsys, more):
    monkeypatch.chdir(path.parent)
    (path.parent / "second.py").write_text(RIGHT)
    assert main(["check", "--watch", str(path), *more]) == 2
    assert "--watch is for one file" in capsys.readouterr().err
    assert not (path.parent / "there").exists()
