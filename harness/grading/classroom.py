"""Answers judged one after the other, and kept as they come.

What is judged is written to a small SQLite file at once, each answer by its path, its content and
all that a verdict hangs on but the seed: a run that was killed goes on where it stopped, and what
has not changed is not judged again, but for what was ended before it could be. Does not judge, and
lays nothing out.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from harness.answers.source import SourceError, read
from harness.errors import InputError
from harness.grading.collect import Entry, NoAnswerError
from harness.grading.handed_in import HandedIn, hand_in, left_behind, named
from harness.isolation.confine import Limits
from harness.report.view import finite, one_line

if TYPE_CHECKING:  # what imports torch is imported where it is needed, to be late
    from harness.grading.grade import Grader, Submission
    from harness.grading.result import Checked

DATABASE = "check.sqlite"
LAYOUT = 1  # of the database; raise it where a record changes
KEPT_LINES = 400  # of an answer's code, for its page
KEPT_COLUMNS = 200
KEPT_OUTPUT = 4000  # characters of what an answer printed


# -- what is kept of an answer -------------------------------------------------


@dataclass(frozen=True)
class Record:
    """An answer, judged, with what a report shows beside the result.

    `code` is the answer's own, as far as it is kept, `cells` where each cell of a notebook begins:
    pairs of its number and its first line. `seed` is the one it was judged with. `asked` are the
    parts that were asked for, which is no matter of the judge, and not kept.
    """

    student: str
    checked: Checked
    seed: int
    code: tuple[str, ...] = ()
    cells: tuple[tuple[int, int], ...] = ()
    asked: tuple[str, ...] = ()

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
        values["asked"] = tuple(values["asked"])
        values["cells"] = tuple((number, first) for number, first in values["cells"])
        return cls(**values)


def _listed(values: dict[str, Any]) -> dict[str, Any]:
    """What an answer and a component both have, as it is held."""
    from harness.grading.result import Warned

    warnings = tuple(Warned(**warning) for warning in values["warnings"])
    return {**values, "warnings": warnings, "notes": tuple(values["notes"])}


def _recorded(student: str, handed: HandedIn, checked: Checked, seed: int) -> Record:
    output = checked.output[-KEPT_OUTPUT:]
    notes = (*handed.notes, *checked.notes)
    checked = replace(checked, path=handed.path, output=output, notes=notes)
    code, cells = _code(handed, loaded=bool(checked.components))
    return Record(student, checked, seed, code, cells)


def _code(handed: HandedIn, *, loaded: bool) -> tuple[tuple[str, ...], tuple[tuple[int, int], ...]]:
    """The lines that are kept, and where cells begin.

    A notebook is read here only after a worker came through reading it (`loaded`).
    """
    if not handed.source:
        return (), ()
    if not handed.name.lower().endswith(".ipynb"):
        start = handed.source[: KEPT_LINES * KEPT_COLUMNS * 4]
        return _kept(start.decode("utf-8", "replace")), ()
    if loaded:
        with suppress(SourceError, RecursionError):
            source = read(handed.source, handed.name)
            return _kept(source.text), tuple(source.places)
    return (), ()


def _kept(text: str) -> tuple[str, ...]:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return tuple(line[:KEPT_COLUMNS] for line in lines[:KEPT_LINES])


def _not_judged(entry: Entry, error: OSError | NoAnswerError) -> Checked:
    """What there is to say of a student of whom nothing can be judged."""
    from harness.grading.result import Checked

    if isinstance(error, NoAnswerError) or entry.absent:
        kind, message = "missing", entry.absent or str(error)
    else:
        reason = error.strerror or str(error)
        kind, message = "unreadable", f"{entry.path} cannot be read: {reason}"
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

    def add(self, path: str, digest: str, record: Record) -> None:
        """Keep the result of what was found at a path; it is on disk when this returns.

        InputError where the disk is full.
        """
        try:
            self._database.execute(
                "INSERT OR REPLACE INTO answers (path, content, settings, record) "
                "VALUES (?, ?, ?, ?)",
                (path, digest, self.settings, record.to_json()),
            )
        except sqlite3.Error as error:
            raise InputError(
                f"{self.file} cannot be written: {error}; make room, then go on with the same call."
            ) from None

    def get(self, path: str, digest: str) -> Record | None:
        """The result of this content at this path with these settings, where there is one."""
        row = self._database.execute(
            "SELECT record FROM answers WHERE path = ? AND content = ? AND settings = ?",
            (path, digest, self.settings),
        ).fetchone()
        return Record.from_json(row[0]) if row else None


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

    `judge` may be stopped at any time; `records` are those that have a result by then. `beside` are
    files that lie beside every answer; with `again` all is judged anew.
    """

    entries: Sequence[Entry]
    register: Register
    roles: dict[str, str] = field(default_factory=dict)
    exercise: str | None = None
    beside: Mapping[str, bytes] = field(default_factory=dict)
    again: bool = False
    _digests: dict[str, str] = field(default_factory=dict)

    def judge(self, grader: Grader, advance: Advance) -> None:
        """Judge what the register does not know; `advance` is told of each answer that is done,
        and whether it was judged now.
        """
        sent: dict[int, tuple[Entry, HandedIn]] = {}
        for index, checked in grader.check_all(self._submissions(sent, grader.seed, advance)):
            entry, handed = sent.pop(index)  # so that memory does not grow with the class
            self._keep(entry, handed, checked, grader.seed)
            advance(True)

    def _submissions(
        self, sent: dict[int, tuple[Entry, HandedIn]], seed: int, advance: Advance
    ) -> Iterator[Submission]:
        """The answers to be judged, each read when a process is free for it."""
        from harness.grading.grade import Submission

        number = 0
        for entry in self.entries:
            try:
                handed = hand_in(entry, self.beside)
            except (OSError, NoAnswerError) as error:
                nothing = HandedIn(entry.path, entry.name, b"")
                self._keep(entry, nothing, _not_judged(entry, error), seed)
                advance(True)
                continue
            if self._stands(entry, handed):
                advance(False)
                continue
            sent[number] = entry, handed
            number += 1
            yield Submission(
                *(handed.name, handed.source, self.roles, self.exercise),
                files=handed.files,
                folder=handed.folder,
            )

    def _stands(self, entry: Entry, handed: HandedIn) -> bool:
        """Whether there is a result, and nothing but the answer brought it about."""
        record = None if self.again else self.register.get(entry.path, handed.digest)
        if record is None or record.checked.was_ended:
            return False
        self._digests[entry.path] = handed.digest
        return True

    def _keep(self, entry: Entry, handed: HandedIn, checked: Checked, seed: int) -> None:
        near = left_behind(entry, handed) if checked.error else []
        if near:
            alone = f"{named(near)} beside it was not looked at: a file is run alone"
            handed = replace(handed, notes=(*handed.notes, f"{alone}; see --with and --as-one"))
        record = _recorded(entry.student, handed, checked, seed)
        self.register.add(entry.path, handed.digest, record)
        self._digests[entry.path] = handed.digest

    def records(self) -> Iterator[Record]:
        """The results there are, in the order of the answers."""
        for entry in self.entries:
            if entry.path in self._digests:
                record = self.register.get(entry.path, self._digests[entry.path])
                assert record is not None
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
