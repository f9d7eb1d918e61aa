"""Runs a file statement by statement: what it defines, and what its statements raise.

One that fails does not hide what is defined after it. Nothing runs as `__main__`; what stands under
the main guard runs after the rest.
"""

from __future__ import annotations
import __future__

import ast
import gc
import linecache
import os
import sys
import time
import traceback
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from unittest.mock import patch

from harness.answers.budget import Budget, OutOfTimeError, limited
from harness.answers.course import Step
from harness.answers.definitions import NAMED, definitions
from harness.answers.source import Source
from harness.answers.stubs import stand_ins
from harness.answers.top_level import State
from harness.engine.seeding import seed_all

MODULE = "answer"
_HEAP = 1000  # entries


@dataclass(frozen=True)
class Failure:
    """What a statement of the file raised: the exception's name, its words, the learner's line.

    `guarded` says that it only runs where the file is run as a program, `ended` what it had used
    up: then the answer's parts are judged all the same.
    """

    type: str
    message: str
    line: int | None
    guarded: bool = False
    ended: Literal["", "time", "memory"] = ""


@dataclass
class Run:
    """The file as it runs: its namespace, and what went wrong."""

    source: Source
    namespace: dict[str, Any]
    failures: list[Failure] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)
    states: dict[int, State] = field(default_factory=dict)
    made: dict[tuple[str, int], Any] = field(default_factory=dict)
    flags: int = 0
    budget: Budget = field(default_factory=Budget)

    def statement(self, step: Step) -> None:
        """Run one statement; what it raises is kept, and what it has defined."""
        node = step.node
        if isinstance(node, ast.For | ast.While | ast.With | ast.If | ast.Try):
            self.states[node.lineno] = State(node, self.namespace)
        module = ast.Module([node], [])
        try:
            code = compile(module, self.source.name, "exec", self.flags, dont_inherit=True)
            with limited(self.budget.statement()):
                exec(code, self.namespace)
        except BaseException as error:  # noqa: BLE001 - SystemExit and KeyboardInterrupt as well
            self._failed(error, step)
        for defined in definitions([node]):
            if defined.name in self.namespace:
                self.made[defined.name, defined.line] = self.namespace[defined.name]

    def _failed(self, error: BaseException, step: Step) -> None:
        node = step.node
        lost = isinstance(error, NameError) and error.name in self.lost
        self.lost |= bound_by(node) - self.namespace.keys()
        if not lost:
            failed = replace(failure(error, self.source), guarded=step.guarded)
            if failed.ended:
                failed = replace(failed, line=failed.line or node.lineno)
            self.failures.append(failed)
            if failed.ended:
                self._give_back(node, everything=failed.ended == "memory")

    def _give_back(self, node: ast.stmt, *, everything: bool) -> None:
        """Let go of what a statement held that was ended: the parts need some memory too.

        Of one that only took long, what it has heaped up.
        """
        for name in {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}:
            value = self.namespace.get(name)
            heap = isinstance(value, list | dict | set | tuple) and len(value) > _HEAP
            plain = not callable(value) and not isinstance(value, types.ModuleType)
            if heap or (everything and plain):
                self.namespace.pop(name, None)
        gc.collect()


def failure(error: BaseException, source: Source) -> Failure:
    """An exception with the last line of the learner's own file that it went through."""
    frames = traceback.extract_tb(error.__traceback__)
    line = next((f.lineno for f in reversed(frames) if f.filename == source.name), None)
    if line is None and isinstance(error, SyntaxError):
        line = error.lineno
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return Failure(type(error).__name__, message, line, ended=_used_up(error))


def _used_up(error: BaseException) -> Literal["", "time", "memory"]:
    """What an exception says to be used up."""
    if isinstance(error, OutOfTimeError):
        return "time"
    exhausted = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return "memory" if exhausted or isinstance(error, MemoryError) else ""


def bound_by(node: ast.stmt) -> set[str]:
    """The names that a statement would have bound."""
    bound = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and _stores(n)}
    bound |= {a.asname or a.name.split(".")[0] for n in ast.walk(node) for a in _aliases(n)}
    return bound | {n.name for n in ast.walk(node) if isinstance(n, NAMED)}


def _stores(node: ast.Name) -> bool:
    return isinstance(node.ctx, ast.Store)


def _aliases(node: ast.AST) -> list[ast.alias]:
    return node.names if isinstance(node, ast.Import | ast.ImportFrom) else []


@contextmanager
def prepared(source: Source, seed: int) -> Iterator[tuple[dict[str, Any], stand_ins.StandIns]]:
    """A namespace to run a file in, with its lines known to tracebacks and `inspect`."""
    os.environ.setdefault("MPLBACKEND", "Agg")  # a plot must not open a window
    module = types.ModuleType(MODULE)
    module.__file__ = source.name
    sys.modules[MODULE] = module
    lines = source.text.splitlines(keepends=True)
    linecache.cache[source.name] = (len(source.text), None, lines, source.name)
    seed_all(seed)
    # who waits learns nothing by it, and costs the others their time
    with stand_ins.installed() as finder, patch.object(time, "sleep", lambda _: None):
        yield vars(module), finder


def future_flags(statements: Sequence[ast.stmt]) -> int:
    """The compiler flags that the file's `from __future__` imports ask for."""
    names = [
        alias.name
        for node in statements
        if isinstance(node, ast.ImportFrom) and node.module == "__future__"
        for alias in node.names
    ]
    features = [getattr(__future__, name) for name in names if hasattr(__future__, name)]
    return sum(feature.compiler_flag for feature in features)
