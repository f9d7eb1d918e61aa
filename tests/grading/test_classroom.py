"""Keeping results, going on after any end."""

import json
import os
import sqlite3
from dataclasses import replace

import pytest

from harness.errors import InputError
from harness.grading import classroom
from harness.grading.classroom import (
    Classroom,
    Record,
    Register,
    parse_roles,
    settings,
)
from harness.grading.collect import collect
from harness.grading.handed_in import HandedIn
from harness.grading.result import ENDED, Checked, Judged
from harness.isolation.confine import Limits
from harness.selftest.robustness import Siege, Undisturbed

RIGHT = "def linreg(X, w, b):\n    return X @ w + b\n"


def write(folder, *names, text=RIGHT):
    """Files with a line or two of Python, with the folders they lie in."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_roles_are_read_from_words():
    assert parse_roles(["linreg=net", "squared_loss=mse"]) == {
        "linreg": "net",
        "squared_loss": "mse",
    }
    for word in ("linreg", "linreg=", "linreg=a b", "model=net"):
        with pytest.raises(InputError, match=f"--map {word}"):
            parse_roles([word])


# -- records -------------------------------------------------------------------


def record(path="a.py", **facts):
    first = {"stage": "loss", "epoch": 0, "step": 3, "got": float("inf"), "message": "loss"}
    wrong = Judged("squared_loss", "fail", "different", first, line=2)
    return Record("ann", Checked(path, "fail", None, (wrong,), ("note",)), 7, ("a", "b"), **facts)


def test_a_record_comes_back_as_it_was_kept():
    kept = record(cells=((2, 1), (4, 9)))
    back = Record.from_json(kept.to_json())
    divergence = back.checked.components[0].first_divergence
    assert divergence
    assert divergence["got"] == "inf"
    assert replace(back, checked=kept.checked) == kept
    assert back.checked.notes == ("note",)


def test_lines_are_told_in_words():
    assert record().where(12) == "line 12"
    assert record(cells=((2, 1), (4, 9))).where(12) == "cell 4 line 4"
    assert record(cells=((2, 1), (4, 9))).where(8) == "cell 2 line 8"
    assert [record().line(n) for n in (0, 2, 3)] == ["", "b", ""]


# -- keeping -------------------------------------------------------------------


def test_the_register_finds_what_it_was_given_and_nothing_else(tmp_path):
    with Register(tmp_path / "new", "one") as register:
        register.add("a.py", "digest", record())
        kept = register.get("a.py", "digest")
        assert kept
        assert kept.student == "ann"
    with Register(tmp_path / "new", "one") as register:
        assert register.get("a.py", "digest")
        assert register.get("a.py", "changed") is None
        assert register.get("b.py", "digest") is None
    with Register(tmp_path / "new", "two") as register:
        assert register.get("a.py", "digest") is None
    assert [path.name for path in (tmp_path / "new").iterdir()] == [classroom.DATABASE]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Register(None, "one") as register:
        register.add("a.py", "digest", record())
        assert register.get("a.py", "digest")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_not_ours_is_left_alone(tmp_path):
    (tmp_path / classroom.DATABASE).write_bytes(
        b"no database at all, but long enough to be one" * 9
    )
    with pytest.raises(InputError, match="name another folder"):
        Register(tmp_path, "one")
    later = tmp_path / "later"
    Register(later, "one").__exit__()
    with sqlite3.connect(later / classroom.DATABASE) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(InputError, match="layout 99"):
        Register(later, "one")


def test_a_full_disk_is_told_in_a_sentence(tmp_path):
    with Register(tmp_path, "one") as register:
        register.add("a.py", "digest", record())
        register._database.execute("PRAGMA max_page_count = 4")
        with pytest.raises(InputError, match="full; make room"):
            register.add("b" * 99_999, "other", record())
        assert register.get("a.py", "digest")


def test_settings_hold_all_that_a_verdict_hangs_on():
    plain = settings(Limits(), {})
    assert plain == settings(Limits(), {})
    others = [
        settings(Limits(seconds=3), {}),
        settings(Limits(), {"linreg": "net"}),
        settings(Limits(), {}, "huber"),
    ]
    assert len({plain, *others}) == 4


# -- judging -------------------------------------------------------------------


class FakeGrader:
    """Passes every answer, keeps what it was given, and stops where it is told to."""

    seed = 1

    def __init__(self, stop=None):
        self.given, self.stop = [], stop

    def check_all(self, submissions):
        """What a grader yields."""
        for index, submission in enumerate(submissions):
            if index == self.stop:
                raise KeyboardInterrupt
            self.given.append(submission.name)
            component = Judged("linreg", "pass", "identical", line=1)
            yield index, Checked(submission.name, "pass", None, (component,), output="x" * 9999)


def judge(folder, out, grader, **settings):
    """One run: what it told of, and the records there are."""
    told: list[object] = []
    with Register(out, "one") as register:
        room = Classroom(collect([str(folder)]), register, **settings)
        try:
            room.judge(grader, told.append)
        except KeyboardInterrupt:
            told.append("stopped")
        return told, list(room.records())


def test_only_what_changed_is_judged_again(tmp_path):
    answers, out = tmp_path / "answers", tmp_path / "out"
    write(answers, "a.py", "b.py", "c.py")
    told, records = judge(answers, out, FakeGrader())
    assert told == [True] * 3
    assert [r.student for r in records] == ["a", "b", "c"]
    assert {len(r.checked.output) for r in records} == {classroom.KEPT_OUTPUT}
    assert records[0].code[:2] == tuple(RIGHT.splitlines())
    write(answers, "b.py", text="x = 1")
    again = FakeGrader()
    told, records = judge(answers, out, again)
    assert sorted(told) == [False, False, True]
    assert [name[-4:] for name in again.given] == ["b.py"]
    assert records[1].code == ("x = 1",)


class EndingGrader(FakeGrader):
    """Ends every answer by what it was made with, in the file or in a part."""

    def __init__(self, kind, *, part=False):
        super().__init__()
        self.kind, self.part = kind, part

    def check_all(self, submissions):
        """What a grader yields."""
        for index, checked in super().check_all(submissions):
            error = {"type": self.kind, "message": "it was ended", "line": None}
            component = Judged("linreg", "error", raised=self.kind)
            if self.part:
                yield index, replace(checked, verdict="fail", components=(component,))
            else:
                yield index, replace(checked, verdict="error", error=error, components=())


@pytest.mark.parametrize("part", [False, True])
@pytest.mark.parametrize(
    ("kind", "again"),
    [*((kind, True) for kind in sorted(ENDED)), ("crash", False), ("SyntaxError", False)],
)
def test_what_was_ended_is_judged_again(tmp_path, kind, again, part):
    """By time, memory, a lost process or a fault of ours; the control is a fault of its own."""
    answers, out = tmp_path / "answers", tmp_path / "out"
    write(answers, "a.py")
    judge(answers, out, EndingGrader(kind, part=part))
    told, (found,) = judge(answers, out, FakeGrader())
    assert told == [again]
    assert (found.checked.verdict == "pass") == again
    told, _ = judge(answers, out, FakeGrader())
    assert told == [False]


def test_all_is_judged_anew_where_that_is_asked(tmp_path):
    """And those who handed in nothing have a result each time."""
    answers, out = tmp_path / "answers", tmp_path / "out"
    write(answers, "ann/a.py", "eve/.gitkeep")
    for again, told in ((False, [True, True]), (False, [False, True]), (True, [True, True])):
        assert judge(answers, out, FakeGrader(), again=again)[0] == told


def test_all_files_of_a_student_count(tmp_path):
    """A change beside the answer has it judged again; the path is that of the file judged."""
    answers, out = tmp_path / "answers", tmp_path / "out"
    write(answers, "ann/ps1/a.py", "ann/ps1/x.csv", "bob/b.py")
    _, (ann, _) = judge(answers, out, FakeGrader())
    assert (ann.student, ann.checked.path) == ("ann", f"{answers}/ann/ps1/a.py")
    write(answers, "ann/ps1/x.csv", text="2")
    told, _ = judge(answers, out, FakeGrader())
    assert sorted(told) == [False, True]
    told, _ = judge(answers, out, FakeGrader(), beside={"y.csv": b"1"})
    assert told == [True, True]


def test_who_handed_in_nothing_has_a_result(tmp_path):
    """In place of the answer its folder; the control is one who handed in something."""
    write(tmp_path, "ann/a.py", "eve/report.pdf")
    _, (ann, eve) = judge(tmp_path, None, FakeGrader())
    assert (ann.checked.verdict, eve.checked.verdict) == ("pass", "error")
    assert (eve.student, eve.checked.path) == ("eve", f"{tmp_path}/eve")
    assert eve.checked.error["type"] == "missing"
    assert "only report.pdf" in eve.checked.error["message"]


def test_an_answer_that_was_run_alone_is_told_what_it_lacked(tmp_path):
    """The controls: what it does not name, what is laid beside it, and an answer without fault."""
    text = "import os, mylib\nopen('data.csv')\n" + RIGHT
    write(tmp_path, "a.py", text=text)
    write(tmp_path, "data.csv", "other.csv", "mylib.py", "zlib.py")
    path = tmp_path / "a.py"
    _, (lone,) = judge(path, None, EndingGrader("FileNotFoundError"))
    (note,) = lone.checked.notes
    assert note.startswith("data.csv, mylib.py beside it was not looked at: a file is run alone")
    laid = {"data.csv": b"", "mylib.py": b""}
    assert judge(path, None, EndingGrader("OSError"), beside=laid)[1][0].checked.notes == ()
    assert judge(path, None, FakeGrader())[1][0].checked.notes == ()


def test_what_was_judged_before_an_interruption_is_kept(tmp_path):
    answers, out = tmp_path / "answers", tmp_path / "out"
    write(answers, *(f"{n}.py" for n in range(5)))
    told, records = judge(answers, out, FakeGrader(stop=3))
    assert told == [True] * 3 + ["stopped"]
    assert [r.student for r in records] == ["0", "1", "2"]
    rest = FakeGrader()
    _, records = judge(answers, out, rest)
    assert len(rest.given) == 2
    assert [r.student for r in records] == list("01234")


def test_an_answer_that_cannot_be_read_is_an_error_beside_the_others(tmp_path):
    write(tmp_path, "answers/b.py")
    os.mkfifo(tmp_path / "answers" / "a.py")
    told, (first, second) = judge(tmp_path / "answers", None, FakeGrader())
    assert told == [True, True]
    assert (first.checked.verdict, second.checked.verdict) == ("error", "pass")
    assert "cannot be read" in first.checked.error["message"]


def test_lines_of_a_notebook_are_told_by_cell(tmp_path):
    cells = [{"cell_type": "code", "source": source} for source in ("a = 1\nb = 2", RIGHT)]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    _, (found,) = judge(tmp_path, None, FakeGrader())
    assert found.cells == ((1, 1), (2, 3))
    assert found.where(4) == "cell 2 line 2"
    assert found.line(4) == "return X @ w + b"


def test_long_code_is_cut():
    long = HandedIn("a.py", "a.py", b"x" * 10_000 + b"\n" * 10_000)
    code, cells = classroom._code(long, loaded=True)
    assert (len(code), len(code[0]), cells) == (classroom.KEPT_LINES, classroom.KEPT_COLUMNS, ())


# -- killed --------------------------------------------------------------------

KINDS = {
    "right": (RIGHT, "pass"),
    "wrong": (RIGHT.replace("+", "-"), "fail"),
    "bad": ("(", "error"),
}


def test_a_killed_class_loses_and_repeats_nothing(tmp_path):
    """Killed once on the way; tests/test_ordeal.py has its controls, and twenty kills."""
    verdicts = {}
    for n in range(40):
        kind = {0: "right", 4: "wrong"}.get(n % 8, "bad")
        name = f"class/{kind}{n}.py"
        write(tmp_path, name, text=KINDS[kind][0] + f"# {n}\n")
        verdicts[str(tmp_path / name)] = KINDS[kind][1]
    killed = Siege(tmp_path / "class", tmp_path).killed(1, Undisturbed(verdicts, 1.0))
    assert (killed.kills, killed.lost) == (1, ())
    assert killed.results >= 40
