"""Collecting answers, keeping results, going on after any end."""

import io
import json
import os
import sqlite3
import sys
from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.errors import InputError
from harness.grading import classroom
from harness.grading.classroom import (
    Classroom,
    Entry,
    Record,
    Register,
    collect,
    parse_roles,
    settings,
)
from harness.grading.result import Checked, Judged
from harness.isolation.confine import Limits
from harness.selftest.robustness import Siege, Undisturbed

RIGHT = "def linreg(X, w, b):\n    return X @ w + b\n"


def write(folder, *names, text=RIGHT):
    """Files with a line or two of Python, with the folders they lie in."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def students(path):
    return [entry.student for entry in collect([str(path)])]


# -- collecting ----------------------------------------------------------------


def test_folders_are_searched_through_without_what_is_hidden(tmp_path):
    write(tmp_path, "b.py", "a.ipynb", "deep/down/c.py", "READ.md", "data.csv")
    write(tmp_path, ".hidden.py", ".git/x.py", "__pycache__/y.py", ".ipynb_checkpoints/a.ipynb")
    found = [entry.path for entry in collect([str(tmp_path)])]
    assert found == [
        f"{tmp_path.as_posix()}/{name}" for name in ("a.ipynb", "b.py", "deep/down/c.py")
    ]


def test_each_answer_is_taken_once(tmp_path):
    write(tmp_path, "a.py", "b.py")
    paths = [str(tmp_path / "b.py"), str(tmp_path), str(tmp_path / "b.py")]
    assert [entry.path[-4:] for entry in collect(paths)] == ["a.py", "b.py"]


def test_the_student_of_an_answer(tmp_path):
    """In nbgrader's tree the folder below `submitted`; elsewhere what tells answers apart."""
    tree = tmp_path / "course" / "submitted"
    write(tree, "ann/ps1/a.py", "bob/ps1/deep/b.ipynb")
    assert students(tree) == ["ann", "bob"]
    assert students(tree / "bob") == ["bob"]
    write(tmp_path / "flat", "ann.py", "bob.py")
    assert students(tmp_path / "flat") == ["ann", "bob"]
    write(tmp_path / "each", "ann/answer.py", "bob/answer.py")
    assert students(tmp_path / "each") == ["ann", "bob"]
    write(tmp_path / "parts", "ann/one.py", "ann/two.py")
    assert students(tmp_path / "parts") == ["ann/one", "ann/two"]


def test_what_holds_no_answers_is_a_wrong_call(tmp_path):
    write(tmp_path, "notes/READ.md", "notes/.hidden.py")
    write(tmp_path, "a.py")
    for path in ("gone.py", "notes"):
        with pytest.raises(InputError, match=path):
            collect([str(tmp_path / "a.py"), str(tmp_path / path)])
        there, absent = collect([str(tmp_path / "a.py"), str(tmp_path / path)], keep_absent=True)
        assert not there.absent
        with pytest.raises(FileNotFoundError, match=path):
            absent.read()
    assert collect([str(tmp_path / "a.py")])


def test_standard_input_is_an_answer(monkeypatch):
    for content, name in ((b"x = 1", "answer.py"), (b' {"cells": []}', "answer.ipynb")):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))
        (entry,) = collect(["-", "-"])
        assert (entry.path, entry.name, entry.read()) == ("-", name, content)


def test_names_of_any_bytes_can_be_written_down(tmp_path):
    folder = os.fsencode(tmp_path)
    with open(folder + b"/\xff\xfe.py", "wb") as file:  # noqa: PTH123 - pathlib takes no bytes
        file.write(RIGHT.encode())
    (entry,) = collect([str(tmp_path)])
    assert entry.path.encode().endswith(b"/\\xff\\xfe.py")
    assert entry.read() == RIGHT.encode()


@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_what_is_no_file_of_its_own_is_not_read(tmp_path, kind):
    """A pipe would never end, and a link may show what is not the learner's."""
    path = tmp_path / "answers" / "a.py"
    write(tmp_path, "other.py", "answers/b.py")
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "other.py")
    first, second = collect([str(tmp_path / "answers")])
    with pytest.raises(OSError, match="not a file of its own"):
        first.read()
    assert second.read() == RIGHT.encode()


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
        register.add("digest", record())
        assert register.get("a.py", "digest").student == "ann"
    with Register(tmp_path / "new", "one") as register:
        assert register.has("a.py", "digest")
        assert not register.has("a.py", "changed")
        assert not register.has("b.py", "digest")
        with pytest.raises(KeyError, match=r"b\.py"):
            register.get("b.py", "digest")
    with Register(tmp_path / "new", "two") as register:
        assert not register.has("a.py", "digest")
    assert [path.name for path in (tmp_path / "new").iterdir()] == [classroom.DATABASE]


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Register(None, "one") as register:
        register.add("digest", record())
        assert register.has("a.py", "digest")
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
        register.add("digest", record())
        register._database.execute("PRAGMA max_page_count = 4")
        with pytest.raises(InputError, match="full; make room"):
            register.add("other", record(path="b" * 99_999))
        assert register.has("a.py", "digest")


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


def judge(folder, out, grader):
    """One run: what it told of, and the records there are."""
    told: list[object] = []
    with Register(out, "one") as register:
        room = Classroom(collect([str(folder)]), register)
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
    long = Entry("a.py", "a", piped=b"x" * 10_000 + b"\n" * 10_000)
    code, cells = classroom._code(long, long.piped, loaded=True)
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
