"""Reads an answer file, `.py`, `.ipynb` or `.md`, into cells of Python with line numbers.

Nothing is executed, and nothing but the standard library is needed: the parent reads answers with
this as well as the child. What the code means is the business of `roles` and `answer`.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harness.errors import InputError

MAX_CODE = 2 << 20  # bytes of Python
MAX_NOTEBOOK = 64 << 20  # bytes of a notebook: its pictures count, its code has MAX_CODE
NOT_PYTHON = ("bash", "sh", "html", "javascript", "js", "latex", "markdown", "svg", "writefile")
_MAGIC = re.compile(r"(?m)^(?P<indent>[ \t]*)(?:[%!].*|\??[\w.]+\?{1,2}[ \t]*)$")
_TIMED = re.compile(r"(?m)^(?P<indent>[ \t]*)%time[ \t]+(?=\S)")
_ASSIGNED = re.compile(r"(?m)^(?P<target>[ \t]*[\w, \t]+=[ \t]*)[%!].*$")
_FENCE = re.compile(r"^(?P<indent> {0,3})(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`\n]*)$")
_FENCED_PYTHON = ("", "python", "py", "python3", "ipython", "ipython3", "pycon")
_DEFINED = re.compile(r"(?m)^[ \t]*(?:def|class)[ \t]+(\w+)")
_CELL_MAGIC = re.compile(r"\s*%%(?P<name>\w+)")


class SourceError(InputError):
    """An answer file that cannot be read: `kind` names the reason, `line` where there is one."""

    def __init__(self, kind: str, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.type, self.message, self.line = kind, message, line


@dataclass(frozen=True)
class Cell:
    """A piece of code; `first_line` is its place in the file, or among all lines of a notebook."""

    code: str
    first_line: int
    number: int

    @cached_property
    def tree(self) -> ast.Module:
        """The parsed code, its lines counted as those of the whole source."""
        tree = _parsed(self.code)
        ast.increment_lineno(tree, self.first_line - 1)
        return tree


@dataclass(frozen=True)
class Broken:
    """A cell that does not parse: `line` is where, and `defines` what it was going to define."""

    code: str
    number: int
    first_line: int
    line: int
    message: str
    defines: tuple[str, ...]


@dataclass(frozen=True)
class Source:
    """The code of an answer: one cell for a `.py`, a cell for each code cell of a notebook.

    In Markdown each fenced block of Python is a cell. `notes` say which cells were left out because
    they are not Python, `broken` holds those that were meant to be.
    """

    name: str
    kind: str
    cells: tuple[Cell, ...]
    notes: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()

    @property
    def in_cells(self) -> bool:
        """Whether it is tried cell by cell: one that fails is none of the answer's errors."""
        return self.kind != "py"

    def statements(self) -> Iterator[ast.stmt]:
        """The top-level statements of all cells, in order."""
        for cell in self.cells:
            yield from cell.tree.body

    @cached_property
    def text(self) -> str:
        """All code, laid out so that its line numbers are those of the statements."""
        lines: list[str] = []
        cells: list[Cell | Broken] = [*self.cells, *self.broken]
        for cell in sorted(cells, key=lambda cell: cell.first_line):
            lines += [""] * (cell.first_line - 1 - len(lines))
            lines += cell.code.split("\n")
        return "\n".join(lines)

    def where(self, line: int) -> str:
        """The line in words, for a notebook by cell: "line 12", "cell 3 line 2"."""
        if self.kind != "ipynb":
            return f"line {line}"
        begun = [(number, first) for number, first in self.places if first <= line]
        if not begun:
            return f"line {line}"
        number, first = begun[-1]
        return f"cell {number} line {line - first + 1}"

    @property
    def places(self) -> list[tuple[int, int]]:
        """The number of each cell and the line that it begins at, those that are no Python too."""
        cells: list[Cell | Broken] = [*self.cells, *self.broken]
        return sorted((cell.number, cell.first_line) for cell in cells)


def read(path: Path | bytes, name: str) -> Source:
    """Read an answer, given as a path or as its bytes; `name` is what messages call it.

    A name that ends in `.ipynb` is a notebook, in `.md` Markdown, all else a Python file. Raises
    SourceError where the file is missing, too large, empty, binary, not in its declared encoding,
    no notebook, or (`.py` only) not Python.
    """
    kind = next((k for k in ("ipynb", "md") if name.lower().endswith(f".{k}")), "py")
    limit = MAX_NOTEBOOK if kind == "ipynb" else MAX_CODE
    content = path if isinstance(path, bytes) else _content(path, name, limit)
    if len(content) > limit:
        raise _too_large(name)
    if b"\0" in content:
        raise SourceError("binary", f"{name} holds binary data; it should be a text file.")
    source = {"ipynb": _notebook, "md": _markdown, "py": _script}[kind](content, name)
    if not any(True for _ in source.statements()) and not source.notes:
        raise SourceError("empty", f"{name} is empty; it should define at least one component.")
    return source


def _content(path: Path, name: str, limit: int) -> bytes:
    try:
        if not path.is_file():
            reason = "is a folder" if path.is_dir() else "does not exist"
            raise SourceError("missing", f"{name} {reason}; give the path of an answer file.")
        with path.open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SourceError("unreadable", f"{name} cannot be read: {reason}.") from None


def _too_large(name: str) -> SourceError:
    return SourceError(
        "too-large", f"{name} has more than {MAX_CODE >> 20} MB of code; no answer needs as much."
    )


def _decoded(content: bytes, name: str) -> str:
    """The text of a file in its declared encoding, its line ends those of Unix."""
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return _unix(content.decode(encoding))
    except (SyntaxError, UnicodeDecodeError, LookupError):
        raise SourceError(
            "encoding", f"{name} is not UTF-8 text; save it as UTF-8, or declare its encoding."
        ) from None


def _script(content: bytes, name: str) -> Source:
    cell = Cell(_decoded(content, name), 1, 1)
    try:
        compile(cell.tree, name, "exec", dont_inherit=True)  # finds a `return` outside a function
    except SyntaxError as error:
        at = f" (line {error.lineno})" if error.lineno else ""
        message = f"{name} is not valid Python{at}: {error.msg}."
        raise SourceError("SyntaxError", message, error.lineno) from None
    return Source(name, "py", (cell,))


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")


def _parsed(code: str) -> ast.Module:
    """The tree of some code; SyntaxError for all that the parser refuses, however it says so."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is the learner's affair
            return ast.parse(code)
    except (ValueError, RecursionError, MemoryError) as error:
        raise SyntaxError(str(error) or "the code is nested too deeply") from None


def _notebook(content: bytes, name: str) -> Source:
    line, size, codes = 1, 0, []
    for code in _code_cells(content, name):
        size += len(code)
        codes.append((line, code))
        line += code.count("\n") + 1
    if size > MAX_CODE:
        raise _too_large(name)
    return _of_cells(name, "ipynb", codes)


def _markdown(content: bytes, name: str) -> Source:
    """The fenced blocks that are said to be Python, or not said to be anything."""
    codes: list[tuple[int, str]] = []
    block: list[str] | None = None
    fence, first, wanted = "", 0, False
    for number, text in enumerate(_decoded(content, name).split("\n"), 1):
        found = _FENCE.match(text)
        if block is None and found:
            kind = found["info"].strip(" {}.").split(" ")[0].lower()
            fence, first, wanted, block = found["fence"], number + 1, kind in _FENCED_PYTHON, []
        elif block is not None and found and found["fence"].startswith(fence):
            codes += [(first, "\n".join(block))] if wanted else []
            block = None
        elif block is not None:
            block.append(text)
    return _of_cells(name, "md", codes)


def _of_cells(name: str, kind: str, codes: Sequence[tuple[int, str]]) -> Source:
    """A source of cells, each with the line that it begins at; what is no Python is left out."""
    cells, notes, broken = [], [], []
    for number, (line, code) in enumerate(codes, 1):
        python, error = _python(code)
        if python is None:
            notes.append(f"cell {number} was skipped: it is not Python")
            names = tuple(_DEFINED.findall(code))
            if error and names:
                at = line + (error.lineno or 1) - 1
                broken.append(Broken(code, number, line, at, error.msg, names))
        elif python.strip():
            cells.append(Cell(python, line, number))
    return Source(name, kind, tuple(cells), tuple(notes), tuple(broken))


def _code_cells(content: bytes, name: str) -> Iterator[str]:
    try:
        notebook = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise SourceError("encoding", f"{name} is not UTF-8 text; save it again.") from None
    except (ValueError, RecursionError):
        reason = "is empty" if not content.strip() else "is not valid JSON"
        kind = "empty" if not content.strip() else "notebook"
        raise SourceError(kind, f"{name} {reason}; save the notebook again.") from None
    try:
        cells = notebook.get("cells") or [c for s in notebook["worksheets"] for c in s["cells"]]
        for cell in cells:
            if cell["cell_type"] == "code":
                code = cell["source"] if "source" in cell else cell["input"]
                yield _unix(code if isinstance(code, str) else "".join(code))
    except (KeyError, TypeError, AttributeError):
        if isinstance(notebook, dict) and notebook.get("cells") == []:
            raise SourceError("empty", f"{name} is empty; it has no cells.") from None
        raise SourceError(
            "notebook", f"{name} is not a Jupyter notebook: it has no list of cells."
        ) from None


def _python(code: str) -> tuple[str | None, SyntaxError | None]:
    """A cell without its magics and shell lines; None where the rest is not Python, and why."""
    magic = _CELL_MAGIC.match(code)
    if magic and magic["name"] in NOT_PYTHON:
        return "", None
    failed = None
    for candidate in (code, _without_magics(code)):
        try:
            _parsed(candidate)
        except SyntaxError as error:
            failed = error
            continue
        return candidate, None
    return None, failed


def _without_magics(code: str) -> str:
    """The code with magics turned into `pass`; the number of lines stays."""
    code = _TIMED.sub(r"\g<indent>", code)
    code = _ASSIGNED.sub(r"\g<target>None", code)
    return _MAGIC.sub(r"\g<indent>pass", code)
