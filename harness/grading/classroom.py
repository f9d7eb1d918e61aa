"""Answers collected from paths, judged one after the other, and kept as they come.

What is judged is written to a small SQLite file at once, each answer by its path, its content and
all that a verdict hangs on but the seed: a run that was killed goes on where it stopped, and what
has not changed is not judged again. Does not judge, and lays nothing out.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.answers.source import MAX_NOTEBOOK, SourceError, read
from harness.errors import InputError
from harness.isolation.confine import Limits
from harness.report.view import finite, one_line

if TYPE_CHECKING:  # what imports torch is imported where it is needed, to be late
    from harness.grading.grade import Grader, Submission
    from harness.grading.result import Checked

STDIN = "-"
SUFFIXES = (".py", ".ipynb")
SUBMITTED = "submitted"  # nbgrader: submitted/<student>/<assignment>/<file>
DATABASE = "check.sqlite"
LAYOUT = 1  # of the database; raise it where a record changes
KEPT_LINES = 400  # of an answer's code, for its page
KEPT_COLUMNS = 200
KEPT_OUTPUT = 4000  # characters of what an answer printed


@dataclass(frozen=True)
class Entry:
    """An answer that was found: its path as it is shown, whose it is, and where its bytes are.

    Where a path leads to none, `absent` says so in a sentence.
    """

    path: str
    student: str
    file: Path | None = None
    piped: bytes = b""
    absent: str = ""

    def read(self) -> bytes:
        """Its bytes, no more than can be judged; OSError where they cannot be read."""
        if self.absent:
            raise FileNotFoundError(self.absent)
        if self.file is None:
            return self.piped
        if not stat.S_ISREG(self.file.lstat().st_mode):
            raise OSError("is a link or a device, not a file of its own")
        with self.file.open("rb") as file:
            return file.read(MAX_NOTEBOOK + 1)

    @property
    def name(self) -> str:
        """What messages call the file; its suffix tells a notebook."""
        if self.file:
            return self.path
        return "answer.ipynb" if self.piped.lstrip()[:1] == b"{" else "answer.py"


# -- collecting ----------------------------------------------------------------


def collect(paths: Sequence[str], *, keep_absent: bool = False) -> list[Entry]:
    """The answers at these paths, sorted, each once; "-" is standard input.

    Folders are searched through, without what is hidden and `__pycache__`. InputError where a path
    does not exist or a folder holds no answers; with `keep_absent` such a path is an entry, too, so
    that whoever handed in nothing gets a result.
    """
    by_path: dict[str, Entry] = {}
    for path in dict.fromkeys(paths):
        try:
            entries = [_piped()] if path == STDIN else _below(Path(path))
        except InputError as error:
            if not keep_absent:
                raise
            entries = [_absent(Path(path), str(error))]
        by_path |= {entry.path: entry for entry in entries}
    return sorted(by_path.values(), key=lambda entry: entry.path)


def _absent(path: Path, reason: str) -> Entry:
    return Entry(_shown(path), _student(path, path.parent), absent=reason)


def _piped() -> Entry:
    return Entry(STDIN, "stdin", piped=sys.stdin.buffer.read(MAX_NOTEBOOK + 1))


def _below(path: Path) -> list[Entry]:
    if not path.exists():
        raise InputError(f"{_shown(path)} does not exist; give the path of an answer or a folder.")
    if not path.is_dir():
        return [Entry(_shown(path), _student(path, path.parent), path.resolve())]
    files = sorted(_answers(path))
    if not files:
        raise InputError(
            f"{_shown(path)} holds no answers; they should end in .py or .ipynb and not be hidden."
        )
    folder_each = len({file.name for file in files}) == 1 and len(files) > 1
    return [Entry(_shown(file), _student(file, path, folder_each), file) for file in files]


def _answers(folder: Path) -> Iterator[Path]:
    """The answers below a folder; links to folders are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = [n for n in folders if not n.startswith(".") and n != "__pycache__"]
        for name in names:
            if name.lower().endswith(SUFFIXES) and not name.startswith("."):
                yield Path(place, name)


def _student(file: Path, top: Path, folder_each: bool = False) -> str:
    """Whose an answer is: in nbgrader's tree the student; else its path below the folder that was
    given, without the suffix, or without the file where all are called the same.
    """
    parts = file.parts
    if SUBMITTED in parts[:-3]:
        return _shown(Path(parts[parts.index(SUBMITTED) + 1]))
    below = file.relative_to(top)
    return _shown(below.parent if folder_each else below.with_suffix(""))


def _shown(path: Path) -> str:
    """A path as text that can be written anywhere, whatever bytes the file system allows."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


# -- what is kept of an answer -------------------------------------------------


@dataclass(frozen=True)
class Record:
    """An answer, judged, with what a report shows beside the result.

    `code` is the answer's own, as far as it is kept, `cells` where each cell of a notebook begins:
    pairs of its number and its first line. `seed` is the one it was judged with.
    """

    student: str
    checked: Checked
    seed: int
    code: tuple[str, ...] = ()
    cells: tuple[tuple[int, int], ...] = ()

    def where(self, line: int) -> str:
        """A line in words, for a notebook by cell: "line 12", "cell 3 line 2"."""
        begun = [(number, first) for number, first in self.cells if first <= line]
        if not begun:
            return f"line {line}"
        number, first = begun[-1]
        return f"cell {number} line {line - first + 1}"

    def line(self, number: int) -> str:
        """The text of a line; nothing where it was not kept."""
        return self.code[number - 1].strip() if 0 < number <= len(self.code) else ""

    def to_json(self) -> str:
        """As text, for the database."""
        return json.dumps(finite(asdict(self)), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Record:
        """The record that `to_json` wrote."""
        from harness.grading.result import Checked, Judged

        values = json.loads(text)
        checked = _listed(values["checked"])
        components = tuple(Judged(**_listed(each)) for each in checked["components"])
        values["checked"] = Checked(**{**checked, "components": components})
        values["code"] = tuple(values["code"])
        values["cells"] = tuple((number, first) for number, first in values["cells"])
        return cls(**values)


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    """What an answer and a component both have, as it is held."""
    from harness.grading.result import Warned

    warnings = tuple(Warned(**warning) for warning in values["warnings"])
    return {**values, "warnings": warnings, "notes": tuple(values["notes"])}


def _recorded(entry: Entry, content: bytes, checked: Checked, seed: int) -> Record:
    output = checked.output[-KEPT_OUTPUT:]
    checked = replace(checked, path=entry.path, output=output)
    code, cells = _code(entry, content, loaded=bool(checked.components))
    return Record(entry.student, checked, seed, code, cells)


def _code(
    entry: Entry, content: bytes, *, loaded: bool
) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """The lines that are kept, and where cells begin.

    A notebook is read here only after a worker came through reading it (`loaded`).
    """
    if not content:
        return (), ()
    if not entry.name.lower().endswith(".ipynb"):
        return _kept(content[: KEPT_LINES * KEPT_COLUMNS * 4].decode("utf-8", "replace")), ()
    if loaded:
        with suppress(SourceError, RecursionError):
            source = read(content, entry.name)
            return _kept(source.text), tuple(source.places)
    return (), ()


def _kept(text: str) -> tuple[str, ...]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return tuple(line[:KEPT_COLUMNS] for line in lines[:KEPT_LINES])


def _unreadable(entry: Entry, error: OSError) -> Checked:
    from harness.grading.result import Checked

    reason = error.strerror or str(error)
    message = entry.absent or f"{entry.path} cannot be read: {reason}"
    kind = "missing" if entry.absent else "unreadable"
    return Checked(entry.path, "error", {"type": kind, "message": message, "line": None})


# -- keeping -------------------------------------------------------------------


class Register:
    """Results on disk, one transaction each, so that no end of this process loses one.

    `settings` is all that a verdict hangs on but the answer and the seed; records of other settings
    are kept, but not found. Without a folder the file is a temporary one. InputError where it
    cannot be written, or is not ours.
    """

    def __init__(self, folder: Path | None, settings: str) -> None:
        self.settings = settings
        self.file = folder / DATABASE if folder else None
        try:
            if folder:
                folder.mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(self.file or "", timeout=30, isolation_level=None)
            self._prepare()
        except (sqlite3.Error, OSError) as error:
            raise InputError(
                f"{self.file} cannot be used: {error}; name another folder with --out."
            ) from None

    def _prepare(self) -> None:
        (layout,) = self._database.execute("PRAGMA user_version").fetchone()
        if layout not in {0, LAYOUT}:
            raise OSError(f"it has layout {layout}, but this version writes {LAYOUT}")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS answers (path TEXT, content TEXT, settings TEXT, "
            "record TEXT NOT NULL, judged TEXT NOT NULL DEFAULT (datetime('now')), "
            "PRIMARY KEY (path, content, settings))"
        )
        self._database.execute(f"PRAGMA user_version = {LAYOUT}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ending: object) -> None:
        self._database.close()

    def add(self, digest: str, record: Record) -> None:
        """Keep a result; it is on disk when this returns. InputError where the disk is full."""
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO answers (path, content, settings, record) "
                "VALUES (?, ?, ?, ?)",
                (record.checked.path, digest, self.settings, record.to_json()),
            )
        except sqlite3.Error as error:
            raise InputError(
                f"{self.file} cannot be written: {error}; make room, then go on with the same call."
            ) from None

    def has(self, path: str, digest: str) -> bool:
        """Whether this content was judged at this path with these settings."""
        return self._row("1", path, digest) is not None

    def get(self, path: str, digest: str) -> Record:
        """The result that `has` tells of; KeyError where there is none."""
        row = self._row("record", path, digest)
        if row is None:
            raise KeyError(path)
        return Record.from_json(row[0])

    def _row(self, column: str, path: str, digest: str) -> Any:
        return self._database.execute(
            f"SELECT {column} FROM answers "  # noqa: S608 - the column is one of two words here
            "WHERE path = ? AND content = ? AND settings = ?",
            (path, digest, self.settings),
        ).fetchone()


def settings(limits: Limits, roles: dict[str, str], exercise: str | None = None) -> str:
    """All that a verdict hangs on but the answer and the seed, as text."""
    facts = {
        "roles": roles,
        "exercise": exercise,
        "limits": asdict(limits),
        "judge": _judge(),
    }
    return json.dumps(facts, sort_keys=True)


@cache
def _judge() -> str:
    """Version and code of the judge, and torch's version: another judge may judge otherwise."""
    digest = hashlib.sha256()
    for package in ("scratch", "builtin", "harness"):
        for file in sorted((Path(__file__).parents[2] / package).rglob("*.py")):
            digest.update(file.read_bytes())
    return f"{_version('scratch-vs-builtin')} {digest.hexdigest()[:16]} torch {_version('torch')}"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


# -- judging -------------------------------------------------------------------

Advance = Callable[[bool], None]


@dataclass
class Classroom:
    """Answers and the register that their results are kept in.

    `judge` may be stopped at any time; `records` are those that have a result by then.
    """

    entries: Sequence[Entry]
    register: Register
    roles: dict[str, str] = field(default_factory=dict)
    exercise: str | None = None
    _digests: dict[str, str] = field(default_factory=dict)

    def judge(self, grader: Grader, advance: Advance) -> None:
        """Judge what the register does not know; `advance` is told of each answer that is done,
        and whether it was judged now.
        """
        sent: list[tuple[Entry, bytes]] = []
        for index, checked in grader.check_all(self._submissions(sent, grader.seed, advance)):
            entry, content = sent[index]
            sent[index] = (entry, b"")  # so that memory does not grow with the class
            self._keep(entry, content, checked, grader.seed)
            advance(True)

    def _submissions(
        self, sent: list[tuple[Entry, bytes]], seed: int, advance: Advance
    ) -> Iterator[Submission]:
        """The answers to be judged, each read when a process is free for it."""
        from harness.grading.grade import Submission

        for entry in self.entries:
            try:
                content = entry.read()
            except OSError as error:
                self._keep(entry, b"", _unreadable(entry, error), seed)
                advance(True)
                continue
            if self._is_known(entry, content):
                advance(False)
                continue
            sent.append((entry, content))
            yield Submission(entry.name, content, self.roles, self.exercise)

    def _is_known(self, entry: Entry, content: bytes) -> bool:
        digest = hashlib.sha256(content).hexdigest()
        known = self.register.has(entry.path, digest)
        if known:
            self._digests[entry.path] = digest
        return known

    def _keep(self, entry: Entry, content: bytes, checked: Checked, seed: int) -> None:
        digest = hashlib.sha256(content).hexdigest()
        self.register.add(digest, _recorded(entry, content, checked, seed))
        self._digests[entry.path] = digest

    def records(self) -> Iterator[Record]:
        """The results there are, in the order of the answers."""
        for entry in self.entries:
            if entry.path in self._digests:
                record = self.register.get(entry.path, self._digests[entry.path])
                yield replace(record, student=entry.student)


def parse_roles(words: Iterable[str]) -> dict[str, str]:
    """`role=name` words as a dictionary; InputError where one is none."""
    from harness.engine.components.contract import BY_ROLE

    roles = {}
    for word in words:
        role, equals, name = word.partition("=")
        if not equals or not name.isidentifier():
            raise InputError(f"--map {one_line(word)}: write role=name, such as --map linreg=net.")
        if role not in BY_ROLE:
            known = ", ".join(BY_ROLE)
            raise InputError(f"--map {one_line(word)}: take as role one of {known}.")
        roles[role] = name
    return roles
