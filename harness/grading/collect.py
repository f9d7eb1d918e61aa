"""Answers found at paths: files, and students' folders, all of whose files are one answer.

What lies in a folder that is given is what its students handed in: each folder in it is a student,
and each answer file in it, too. Nothing is opened here (`handed_in`), and nothing is judged.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from harness.answers.source import MAX_NOTEBOOK
from harness.errors import InputError
from harness.grading.names import is_copy_of, is_hidden

STDIN = "-"
SUFFIXES = (".py", ".ipynb")
ZIP = ".zip"
SUBMITTED = "submitted"  # nbgrader: submitted/<student>/<assignment>/<file>
MOST_NAMES = 5000  # that are looked at in a student's folder


class NoAnswerError(Exception):
    """A student of whom there is nothing to judge: the message says why."""


@dataclass(frozen=True)
class Entry:
    """An answer that was found: its path as it is shown, whose it is, and where its bytes are.

    `folder` is that of a student, all of whose files are one answer. Where a path leads to none,
    `absent` says so in a sentence.
    """

    path: str
    student: str
    file: Path | None = None
    piped: bytes = b""
    absent: str = ""
    folder: Path | None = None

    def read(self) -> bytes:
        """Its bytes, no more than can be judged; OSError where they cannot be read."""
        if self.absent:
            raise FileNotFoundError(self.absent)
        if self.file is None:
            return self.piped
        return content(self.file, MAX_NOTEBOOK + 1)

    @property
    def name(self) -> str:
        """What messages call the file; its suffix tells a notebook."""
        if self.file:
            return self.path
        return "answer.ipynb" if self.piped.lstrip()[:1] == b"{" else "answer.py"


def content(file: Path, most: int) -> bytes:
    """The bytes of a file, at most so many; OSError where it is none of its own.

    A pipe would never end, and a link may show what is not the learner's.
    """
    if not stat.S_ISREG(file.lstat().st_mode):
        raise OSError("is a link or a device, not a file of its own")
    with file.open("rb") as opened:
        return opened.read(most)


def collect(
    paths: Sequence[str], *, keep_absent: bool = False, as_one: bool = False
) -> list[Entry]:
    """The answers at these paths, sorted, each once; "-" is standard input.

    InputError where a path does not exist or a folder holds no answers; with `keep_absent` such a
    path is an entry, too, so that whoever handed in nothing gets a result. With `as_one` each
    folder is that of one student.
    """
    by_path: dict[str, Entry] = {}
    for path in dict.fromkeys(paths):
        try:
            entries = [_piped()] if path == STDIN else _at(Path(path), as_one=as_one)
        except InputError as error:
            if not keep_absent:
                raise
            entries = [_absent(Path(path), str(error))]
        by_path |= {entry.path: entry for entry in entries}
    return sorted(by_path.values(), key=lambda entry: entry.path)


def _absent(path: Path, reason: str) -> Entry:
    return Entry(shown(path), _student(path, path.parent), absent=reason)


def _piped() -> Entry:
    return Entry(STDIN, "stdin", piped=sys.stdin.buffer.read(MAX_NOTEBOOK + 1))


def _at(path: Path, *, as_one: bool) -> list[Entry]:
    if not path.exists():
        raise InputError(f"{shown(path)} does not exist; give the path of an answer or a folder.")
    if not path.is_dir():
        return [Entry(shown(path), _student(path, path.parent), path.resolve())]
    if student := _of_nbgrader(path):
        return [Entry(shown(path), student, folder=path)]
    if as_one:
        if not _holds_answers(path):
            raise _nothing_in(path)
        return [Entry(shown(path), shown(Path(path.resolve().name)), folder=path)]
    return _class(path / SUBMITTED if (path / SUBMITTED).is_dir() else path)


def _of_nbgrader(path: Path) -> str:
    """The student whose folder, or folder of an assignment, this is in nbgrader's tree."""
    at = path.parts.index(SUBMITTED) if SUBMITTED in path.parts else len(path.parts)
    below = path.parts[at + 1 :]
    return shown(Path(below[0])) if 1 <= len(below) <= 2 else ""


def _class(top: Path) -> list[Entry]:
    """The students in a folder.

    Among files of answers a folder without any is no student's, but pictures or data; where there
    are only folders, it is the folder of a student who handed in nothing.
    """
    names = sorted(name for name in (each.name for each in top.iterdir()) if not is_hidden(name))
    folders = [top / n for n in names if (top / n).is_dir() and not (top / n).is_symlink()]
    handed_in = [folder for folder in folders if _holds_answers(folder)]
    files = [top / name for name in names if is_answer(name) and top / name not in folders]
    files = [file for file in files if not is_copy_of(file.name, names)]
    if not handed_in:  # beside folders of students a zip is what they all came in
        files += [top / name for name in names if name.lower().endswith(ZIP)]
    if not files and not handed_in:
        raise _nothing_in(top)
    students = handed_in if files else folders
    return [
        *(Entry(shown(file), _student(file, top), file) for file in files),
        *(Entry(shown(each), shown(Path(each.name)), folder=each) for each in students),
    ]


def _nothing_in(path: Path) -> InputError:
    return InputError(
        f"{shown(path)} holds no answers; they should end in .py, .ipynb or .zip and not be hidden."
    )


def _holds_answers(folder: Path) -> bool:
    looked_at = islice(walked(folder), MOST_NAMES)
    return any(is_answer(file.name) or file.suffix.lower() == ZIP for file in looked_at)


def is_answer(name: str) -> bool:
    """Whether a file of this name may be an answer."""
    return name.lower().endswith(SUFFIXES)


def walked(folder: Path) -> Iterator[Path]:
    """What lies below a folder, in order, but folders: without what is hidden and environments.

    Links to folders are not followed.
    """
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        if "pyvenv.cfg" in names:  # a virtual environment: nobody's work
            folders[:] = []
            continue
        for name in sorted(names):
            if not is_hidden(name):
                yield Path(place, name)


def _student(file: Path, top: Path) -> str:
    """Whose a file is: in nbgrader's tree the student's; else its path below the folder that was
    given, without the suffix.
    """
    parts = file.parts
    if SUBMITTED in parts[:-3]:
        return shown(Path(parts[parts.index(SUBMITTED) + 1]))
    return shown(file.relative_to(top).with_suffix(""))


def shown(path: Path) -> str:
    """A path as text that can be written anywhere, whatever bytes the file system allows."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")
