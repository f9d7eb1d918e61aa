"""Answers found at paths: what is a student's, and what is nobody's."""

import io
import os
import sys
from types import SimpleNamespace

import pytest

from harness.errors import InputError
from harness.grading.collect import collect

RIGHT = "def linreg(X, w, b):\n    return X @ w + b\n"


def write(folder, *names, text=RIGHT):
    """Files with a line or two of Python, with the folders they lie in."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def students(path, **settings):
    return [entry.student for entry in collect([str(path)], **settings)]


def paths(folder, **settings):
    """What is found in a folder, by paths below it."""
    return [os.path.relpath(entry.path, folder) for entry in collect([str(folder)], **settings)]


# -- files of answers --------------------------------------------------------------


def test_in_a_folder_of_files_each_is_an_answer(tmp_path):
    """Folders among them are students', too, but those without any answer: they are nobody's."""
    write(tmp_path, "b.py", "a.ipynb", "deep/down/c.py", "READ.md", "data.csv", "images/x.png")
    write(tmp_path, ".hidden.py", ".git/x.py", "__pycache__/y.py", ".ipynb_checkpoints/a.ipynb")
    assert paths(tmp_path) == ["a.ipynb", "b.py", "deep"]
    assert students(tmp_path) == ["a", "b", "deep"]


def test_copies_that_jupyter_makes_are_no_answers(tmp_path):
    """The controls: one whose original is not there, and one that is asked for by its path."""
    write(tmp_path, "a.ipynb", "a-Copy1.ipynb", "a-checkpoint.ipynb", "b-Copy2.ipynb")
    assert paths(tmp_path) == ["a.ipynb", "b-Copy2.ipynb"]
    assert len(collect([str(tmp_path / "a-Copy1.ipynb")])) == 1


# -- students' folders ---------------------------------------------------------------


def test_in_a_folder_of_folders_each_is_a_student(tmp_path):
    """However many files it holds, and where it holds none, too; files beside them are nobody's."""
    write(tmp_path, "ann/one.py", "ann/two.py", "bob/ps1/deep/b.ipynb", "eve/.gitkeep")
    write(tmp_path, "fay/report.pdf", "gil/answer.zip", "roster.csv")
    (tmp_path / "ivy").symlink_to(tmp_path / "ann")
    assert students(tmp_path) == ["ann", "bob", "eve", "fay", "gil"]


def test_a_student_of_nbgrader_is_the_folder_below_submitted(tmp_path):
    """Whether the course is given, its `submitted`, a student's folder, or one assignment of it."""
    tree = tmp_path / "course" / "submitted"
    write(tmp_path / "course", "source/ps1/answer.py", "submitted/ann/ps1/a.py")
    write(tree, "ann/ps2/a.py", "bob/ps1/deep/b.ipynb", "eve/ps1/.gitkeep")
    for folder in (tmp_path / "course", tree):
        assert students(folder) == ["ann", "bob", "eve"]
    assert students(tree / "bob") == ["bob"]
    found = collect([str(folder) for folder in sorted(tree.glob("*/ps1"))])
    assert [entry.student for entry in found] == ["ann", "bob", "eve"]
    (explicit,) = collect([str(tree / "ann" / "ps1" / "a.py")])
    assert (explicit.student, explicit.folder) == ("ann", None)


def test_zips_are_students_where_there_are_no_folders(tmp_path):
    """Beside folders of students a zip is what they came in."""
    write(tmp_path / "zips", "ann.zip", "bob.ZIP", "notes.txt")
    assert students(tmp_path / "zips") == ["ann", "bob"]
    write(tmp_path / "both", "all.zip", "ann/answer.py")
    assert students(tmp_path / "both") == ["ann"]


def test_a_folder_may_be_one_answer_as_a_whole(tmp_path):
    """The control: without being told so, each of its files is an answer."""
    write(tmp_path / "work", "answer.ipynb", "mylib.py", "data.csv")
    assert students(tmp_path / "work") == ["answer", "mylib"]
    assert students(tmp_path / "work", as_one=True) == ["work"]
    write(tmp_path / "empty", "READ.md")
    with pytest.raises(InputError, match="holds no answers"):
        collect([str(tmp_path / "empty")], as_one=True)


def test_what_is_nobodys_work_makes_no_answer(tmp_path):
    write(tmp_path, "ann/.venv/lib/x.py", "ann/env/pyvenv.cfg", "ann/env/lib/y.py")
    write(tmp_path, "ann/__MACOSX/a.py", "ann/.ipynb_checkpoints/a.ipynb")
    with pytest.raises(InputError, match="holds no answers"):
        collect([str(tmp_path)])
    write(tmp_path, "bob/a.py")
    assert students(tmp_path) == ["ann", "bob"]


# -- paths --------------------------------------------------------------------------


def test_each_answer_is_taken_once(tmp_path):
    write(tmp_path, "a.py", "b.py")
    paths = [str(tmp_path / "b.py"), str(tmp_path), str(tmp_path / "b.py")]
    assert [entry.path[-4:] for entry in collect(paths)] == ["a.py", "b.py"]


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
