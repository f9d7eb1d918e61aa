"""Definitions of a program that is running: what they are now, and the text they were made from.

A notebook's cells and a module have run already, so nothing is run here. Text comes from where
Python keeps it for tracebacks; what has none there (made by `exec` or in C) is known by its
signature alone. The cells of a session come from where IPython keeps its history.
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
import linecache
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from harness.answers.component import codes
from harness.answers.source import Source, SourceError, read

Written = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


@dataclass(frozen=True)
class Definition:
    """A function or a class as it lives under a name; `statement` is as written, in that `file`."""

    name: str
    value: Any
    statement: ast.stmt
    file: str = ""

    @classmethod
    def of(cls, name: str, value: Any) -> Definition:
        """The definition behind a value that can be called."""
        written = _written(value)
        if written is None:
            return cls(name, value, _by_signature(name, value))
        node, file = written
        return cls(name, value, _bound_to(name, node), file)


@dataclass(frozen=True)
class Definitions(Source):
    """Definitions as a source to be read; `name` is the file that matters most of theirs."""

    statements_made: tuple[ast.stmt, ...] = ()

    @classmethod
    def of(cls, found: list[Definition], name: str) -> Definitions:
        """The source made of these."""
        return cls(name, "py", (), statements_made=tuple(each.statement for each in found))

    def statements(self) -> Iterator[ast.stmt]:
        """One for each definition."""
        yield from self.statements_made


@dataclass(frozen=True)
class Session:
    """The cells that were run in an IPython session, in order, those that were run again too.

    `source` reads them as those of a notebook; the number of a cell is IPython's, as in `In [3]`.
    """

    codes: tuple[str, ...]
    source: Source

    @classmethod
    def of(cls, namespace: Mapping[str, Any]) -> Session | None:
        """The session whose names these are; None where it is none, or nothing can be read."""
        shell = namespace.get("get_ipython")
        history = getattr(shell() if callable(shell) else None, "history_manager", None)
        codes = getattr(history, "input_hist_raw", None)
        if not isinstance(codes, list):
            return None
        told = tuple(map(str, codes[1:]))  # the first is empty: In counts from 1
        try:
            return cls(told, read(_notebook(told), "session.ipynb"))
        except SourceError:
            return None

    def within(self, line: int) -> tuple[int, int]:
        """The number of the cell that a line of `source` stands in, and its line there."""
        cell = next(c for c in reversed(self.source.cells) if c.first_line <= line)
        return cell.number, line - cell.first_line + 1

    def without(self, statements: Iterable[ast.stmt]) -> bytes:
        """A notebook of these cells, with empty lines in place of some of the statements."""
        left_out = {
            line
            for statement in statements
            for line in range(statement.lineno, (statement.end_lineno or 0) + 1)
        }
        codes, first = [], 1
        for code in self.codes:
            lines = code.split("\n")
            codes.append("\n".join("" if n in left_out else x for n, x in enumerate(lines, first)))
            first += len(lines)
        return _notebook(codes)


def _notebook(codes: Iterable[str]) -> bytes:
    return json.dumps({"cells": [{"cell_type": "code", "source": c} for c in codes]}).encode()


def statements(namespace: Mapping[str, Any]) -> list[ast.stmt]:
    """The top-level statements of the file that a module is from; none where it is from no file."""
    return _tree("".join(linecache.getlines(str(namespace.get("__file__"))))).body


def definitions(namespace: Mapping[str, Any]) -> list[Definition]:
    """The functions and classes that a namespace has made itself, those under two names once."""
    home = namespace.get("__name__")
    own = {
        id(value): Definition.of(name, value)
        for name, value in sorted(namespace.items(), key=_own_name_last)
        if isinstance(value, FunctionType | type) and value.__module__ == home
    }
    return list(own.values())


def _own_name_last(item: tuple[str, Any]) -> bool:
    name, value = item
    return name == getattr(value, "__name__", None)


@contextmanager
def restored(namespace: dict[str, Any]) -> Iterator[None]:
    """Bind every name again as it was; what a value itself was changed to stays."""
    before = dict(namespace)
    try:
        yield
    finally:
        for name in namespace.keys() - before.keys():
            del namespace[name]
        namespace.update(before)


def _written(value: Any) -> tuple[ast.AST, str] | None:
    """The syntax of a function or a class and its file; None where no text is kept of it."""
    inside = vars(value).values() if isinstance(value, type) else (value,)
    code = next((code for one in inside for code in reversed(codes(one))), None)
    if code is None:
        return None
    tree = _tree("".join(linecache.getlines(code.co_filename)))
    name = value.__name__ if isinstance(value, type) else None
    found = (n for n in ast.walk(tree) if (_is_class(n, name, code) if name else _is(n, code)))
    return next(((node, code.co_filename) for node in found), None)


@lru_cache(maxsize=64)
def _tree(text: str) -> ast.Module:
    """The syntax of a file or a cell; nothing where it is not Python (any more)."""
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return ast.Module([], [])


def _is_class(node: ast.AST, name: str, code: CodeType) -> bool:
    """Whether a node is the class of this name that holds the code of a method."""
    if not isinstance(node, ast.ClassDef) or node.name != name:
        return False
    return node.lineno <= code.co_firstlineno <= (node.end_lineno or 0)


def _is(node: ast.AST, code: CodeType) -> bool:
    """Whether code was made from a node; an edited file has other things at its lines."""
    if not isinstance(node, Written):
        return False
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    first = min(part.lineno for part in (node, *decorators))
    name = "<lambda>" if isinstance(node, ast.Lambda) else node.name
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args)]
    taken = [*code.co_varnames[: code.co_argcount]]
    return (first, name, names) == (code.co_firstlineno, code.co_name, taken)


def _bound_to(name: str, node: Any) -> ast.stmt:
    """A definition as a statement that binds this name."""
    if isinstance(node, ast.Lambda):
        made = ast.Assign([ast.Name(name, ast.Store())], node)
        return ast.fix_missing_locations(ast.copy_location(made, node))
    bound: ast.stmt = copy.copy(node)
    bound.name = name  # type: ignore[attr-defined]
    return bound


def _by_signature(name: str, value: Any) -> ast.stmt:
    """A definition that takes the same arguments, of which nothing else is known."""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        signature = inspect.signature(lambda *_: None)
    plain = [
        p.replace(annotation=p.empty, default=p.default if p.default is p.empty else None)
        for p in signature.parameters.values()
    ]
    (made,) = ast.parse(f"def {name}{inspect.Signature(plain)}: return None").body
    return made
