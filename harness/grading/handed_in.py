"""What one student handed in, read: the file that is judged, and all that lies beside it.

The file that defines most parts is judged. That is told from its text, not by parsing it: whoever
reads it here must come to no harm by it. Everything has a limit, and what is over it is told.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from itertools import islice
from pathlib import Path, PurePosixPath

from harness.answers.source import MAX_NOTEBOOK
from harness.errors import InputError
from harness.grading.collect import (
    MOST_NAMES,
    ZIP,
    Entry,
    NoAnswerError,
    content,
    is_answer,
    shown,
    walked,
)
from harness.grading.names import is_copy, safe_name
from harness.grading.zipped import MOST_ZIPPED, ZipError, unzipped

MOST_FILES = 200  # beside an answer
MOST_BYTES = 16 << 20  # of them together
MOST_ZIPS = 5
_LISTED = 3  # files that a sentence names
_READ = 1 << 20  # bytes of an answer, for the files that it names
_DEFINED = re.compile(rb"\b(?:def|class)[ \t]+([A-Za-z_]\w*)")
# no blanks across lines: a file of nothing but blanks would take for ever
_IMPORTED = re.compile(
    rb"(?m)(?:^|[\";])[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import|import[ \t]+([\w., ]+))"
)
_BACKWARD = re.compile(rb"\.backward[ \t]*\(")


@dataclass(frozen=True)
class HandedIn:
    """An answer, read: what is judged, where it is, the files beside it, and what was left out.

    `files` are named by their paths below the student's folder, and `folder` is the answer's own
    place there.
    """

    path: str
    name: str
    source: bytes
    files: Mapping[str, bytes] = field(default_factory=dict)
    folder: str = ""
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of all that a verdict hangs on here."""
        digest = hashlib.sha256(self.source)
        for name, data in sorted(self.files.items()):
            digest.update(f"\0{name}\0{hashlib.sha256(data).hexdigest()}".encode())
        return digest.hexdigest()


def read_beside(folder: Path | None) -> dict[str, bytes]:
    """The files that are laid beside every answer; InputError where they cannot be."""
    if folder is None:
        return {}
    if not folder.is_dir():
        raise InputError(f"--with {shown(folder)} is no folder; name one whose files are needed.")
    files: dict[str, bytes] = {}
    for path in islice(walked(folder), MOST_NAMES):
        try:
            files[path.relative_to(folder).as_posix()] = content(path, MOST_BYTES + 1)
        except OSError as error:
            raise InputError(f"--with {shown(path)}: {error.strerror or error}.") from None
        if len(files) > MOST_FILES or sum(map(len, files.values())) > MOST_BYTES:
            raise InputError(
                f"--with {shown(folder)} holds more than {_allowed()}; leave there only the files "
                "that answers read or import."
            )
    if any(safe_name(name) is None for name in files):
        raise InputError(f"--with {shown(folder)}: a name in it cannot be written; rename it.")
    return files


def _allowed() -> str:
    return f"{MOST_FILES} files or {MOST_BYTES >> 20} MB"


def hand_in(entry: Entry, beside: Mapping[str, bytes]) -> HandedIn:
    """Read what was found; OSError where it cannot be read, NoAnswerError where there is none."""
    if entry.folder:
        return _Reading(shown(entry.folder)).folder(entry.folder).handed_in(beside)
    if entry.file and entry.file.suffix.lower() == ZIP:
        data = content(entry.file, MOST_ZIPPED + 1)
        return _Reading(entry.path).archive(data, "", "").handed_in(beside)
    return HandedIn(entry.path, entry.name, entry.read(), dict(beside))


@dataclass
class _Reading:
    """A student's files as they are read: answers and others, by their paths below the folder.

    `places` are the paths of those that came in a zip, as they are shown.
    """

    top: str
    answers: dict[str, bytes] = field(default_factory=dict)
    others: dict[str, bytes] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    room: int = MAX_NOTEBOOK + 1
    beside_room: int = MOST_BYTES

    def folder(self, top: Path) -> _Reading:
        """Read the files of a folder, and those in its zips."""
        paths = list(islice(walked(top), MOST_NAMES + 1))
        if len(paths) > MOST_NAMES:
            self.left_out.append(f"only the first {MOST_NAMES} files were looked at")
        zips: list[tuple[str, Path]] = []
        largest_last = sorted(paths[:MOST_NAMES], key=_size)
        for path in largest_last:
            name = safe_name(path.relative_to(top).as_posix())
            if name is None:
                self.left_out.append(f"{shown(path.relative_to(top))}: its name cannot be written")
            elif path.suffix.lower() == ZIP:
                zips.append((name, path))
            else:
                self._file(name, path)
        for name, path in zips[:MOST_ZIPS]:
            self._zip(name, path)
        self.left_out += [f"{name}: more than {MOST_ZIPS} zips" for name, _ in zips[MOST_ZIPS:]]
        return self

    def _file(self, name: str, path: Path) -> None:
        most = MAX_NOTEBOOK if is_answer(name) else self.beside_room
        try:
            self._add(name, content(path, most + 1))
        except OSError as error:
            self.left_out.append(f"{name}: {error.strerror or error}")

    def _zip(self, name: str, path: Path) -> None:
        try:
            data = content(path, MOST_ZIPPED + 1)
            self.archive(data, name, PurePosixPath(name).parent.as_posix())
        except (OSError, NoAnswerError) as error:
            self.left_out.append(str(error))

    def archive(self, data: bytes, name: str, folder: str) -> _Reading:
        """Take the files of a zip as if they lay where it does; NoAnswerError where it is none."""
        try:
            contents, notes = unzipped(data)
        except ZipError as error:
            raise NoAnswerError(f"{name or 'the zip'} {error}") from None
        self.left_out += [f"{name or 'the zip'}: {note}" for note in notes]
        for member, inside in sorted(contents.items(), key=lambda pair: len(pair[1])):
            place = PurePosixPath(folder, member).as_posix()
            self.places.setdefault(place, f"{name}/{member}" if name else member)
            self._add(place, inside)
        return self

    def _add(self, name: str, data: bytes) -> None:
        """Keep a file within the limits; one that is there already stays."""
        if _clashes(name, [*self.answers, *self.others]):
            self.left_out.append(f"{name}: there is another of that name")
        elif is_answer(name):
            if len(data) > self.room or len(self.answers) == MOST_FILES:
                self.left_out.append(f"{name}: more than can be looked at")
                return
            self.room -= len(data)
            self.answers[name] = data
        elif name.lower().endswith(ZIP):
            self.left_out.append(f"{name}: a zip within a zip is not opened")
        elif len(data) > self.beside_room or len(self.others) == MOST_FILES:
            self.left_out.append(f"{name}: {_allowed()} beside an answer are the most")
        else:
            self.beside_room -= len(data)
            self.others[name] = data

    def handed_in(self, beside: Mapping[str, bytes]) -> HandedIn:
        """The answer to be judged; NoAnswerError where there is none."""
        chosen = _Choice.among(self.answers)
        if chosen is None:
            raise NoAnswerError(self._nothing())
        folder = PurePosixPath(chosen.name).parent.as_posix()
        path = f"{self.top}/{self.places.get(chosen.name, chosen.name)}"
        laid = {PurePosixPath(folder, name).as_posix(): data for name, data in beside.items()}
        files = {n: d for n, d in self._laid(chosen.name).items() if not _clashes(n, [*laid])}
        files |= laid  # what the instructor lays there counts
        notes = [f"also handed in, and not judged: {named(chosen.rest)}"] if chosen.rest else []
        if self.left_out:
            notes.append(f"left out: {named(self.left_out, '; ')}")
        source = self.answers[chosen.name]
        return HandedIn(path, path, source, files, "" if folder == "." else folder, tuple(notes))

    def _laid(self, judged: str) -> dict[str, bytes]:
        """The files beside the answer: modules first, then the others, the smallest first."""
        modules = {n: d for n, d in self.answers.items() if not n.lower().endswith("ipynb")}
        files: dict[str, bytes] = {}
        room = MOST_BYTES
        for name, data in (modules | self.others).items():
            if name == judged:
                continue
            if len(files) == MOST_FILES or len(data) > room:
                self.left_out.append(f"{name}: {_allowed()} beside an answer are the most")
                continue
            files[name] = data
            room -= len(data)
        return files

    def _nothing(self) -> str:
        """Why there is no answer, in a sentence."""
        wanted = "a .py or .ipynb file, or a zip with one, is needed"
        if self.left_out:
            return f"no answer that can be read was handed in ({named(self.left_out, '; ')})"
        if self.others:
            return f"no answer was handed in, only {named(sorted(self.others))}: {wanted}"
        return f"nothing was handed in: {wanted}"


def _clashes(name: str, others: Iterable[str]) -> bool:
    """Whether a file cannot be written beside these: there is one, or a folder, of its name."""
    return any(
        other == name or other.startswith(f"{name}/") or name.startswith(f"{other}/")
        for other in others
    )


def _size(path: Path) -> tuple[int, str]:
    with suppress(OSError):
        return path.lstat().st_size, path.as_posix()
    return 0, path.as_posix()


def named(names: Sequence[str], between: str = ", ") -> str:
    """Names in a sentence: the first few, and how many more there are."""
    more = len(names) - _LISTED
    return between.join(names[:_LISTED]) + (f" and {more} more" if more > 0 else "")


# -- which of them is judged ------------------------------------------------------


@dataclass(frozen=True)
class _Choice:
    """The file that is judged, and those that define parts and are neither it nor used by it."""

    name: str
    rest: tuple[str, ...]

    @classmethod
    def among(cls, answers: Mapping[str, bytes]) -> _Choice | None:
        """The one that has most parts, its own and imported; a notebook before a script."""
        own = {name: parts_of(data) for name, data in answers.items()}
        uses = {name: _used(name, answers) for name in answers}
        candidates = [name for name in answers if not is_copy(name)] or list(answers)

        def worth(name: str) -> tuple[int, int, bool, int, str]:
            has = own[name].union(*(own[used] for used in uses[name]))
            notebook = name.lower().endswith("ipynb")
            # a file of nothing but imports is somebody's test of the answer
            most = len(has) if own[name] or notebook else 0
            return -most, -len(own[name]), not notebook, name.count("/"), name

        if not candidates:
            return None
        first = min(candidates, key=worth)
        others = [name for name in sorted(candidates) if name not in uses[first] | {first}]
        return cls(first, tuple(name for name in others if own[name]))


def _used(name: str, answers: Mapping[str, bytes]) -> set[str]:
    """The other files that a file imports, directly or by way of others."""
    used: set[str] = set()
    open_ones = [name]
    while open_ones:
        for other in _imports(open_ones.pop(), answers):
            if other not in used | {name}:
                used.add(other)
                open_ones.append(other)
    return used


def _imports(name: str, answers: Mapping[str, bytes]) -> Iterator[str]:
    """The files that the text of one imports, as they lie beside or below it."""
    modules: set[bytes] = set()
    for match in _IMPORTED.finditer(_lines_of(answers[name])):
        listed = (match[1] or match[2]).split(b",")
        modules.update(words.split()[0].strip(b".") for words in listed if words.strip())
    folder = PurePosixPath(name).parent
    for other in answers:
        path = PurePosixPath(other)
        if path.suffix == ".py" and path.is_relative_to(folder):
            *parents, last = path.relative_to(folder).with_suffix("").parts
            module = parents if last == "__init__" else [*parents, last]
            if ".".join(module).encode("utf-8", "replace") in modules:
                yield other


def left_behind(entry: Entry, handed: HandedIn) -> list[str]:
    """The files beside an answer that is run alone which its text names, or imports."""
    if entry.file is None or entry.file.suffix.lower() == ZIP:
        return []
    with suppress(OSError):
        listed = (path.name for path in islice(entry.file.parent.iterdir(), MOST_FILES))
        names = sorted(name for name in listed if safe_name(name) and name not in handed.files)
        text = handed.source[:_READ]
        imported = {*_imports(entry.file.name, dict.fromkeys(names, b"") | {entry.file.name: text})}
        used = [name for name in names if name in imported or _reads(text, name)]
        return [name for name in used if name != entry.file.name]
    return []


def _reads(text: bytes, name: str) -> bool:
    """Whether a text holds the name of a file in quotes, as far as that is no program's."""
    return not is_answer(name) and any(f"{q}{name}{q}".encode() in text for q in ("'", '"', '\\"'))


def parts_of(source: bytes) -> frozenset[str]:
    """The parts that a text seems to define, by the names that it gives to functions and classes,
    or, of the loop, by its backward pass.
    """
    from harness.engine.components import LOOP

    text = _lines_of(source)
    defined = {name.decode("ascii", "replace").lower() for name in _DEFINED.findall(text)}
    parts = {part for part, names in _names().items() if defined & names}
    return frozenset(parts | ({LOOP.name} if _BACKWARD.search(text) else set()))


def _lines_of(source: bytes) -> bytes:
    """The text with lines of its own, also where a notebook holds a cell as one string."""
    return source.replace(b"\\n", b"\n")


@cache
def _names() -> dict[str, frozenset[str]]:
    """The names by which learners call the parts."""
    from harness.engine.components.contract import BY_ROLE, part_of

    names: dict[str, set[str]] = {}
    for role in BY_ROLE.values():
        names.setdefault(part_of(role.name), set()).update(_lowered(role.names))
    return {part: frozenset(each) for part, each in names.items()}


def _lowered(names: Iterable[str]) -> Iterator[str]:
    return (name.lower() for name in names)
