"""One piece of an answer, callable by what its arguments mean instead of how they are ordered.

    piece(y_hat=..., y=...)      whatever the learner calls them, and in whatever order

Knows nothing of recipes, and beautifies nothing: what the learner's function returns is returned.
"""

from __future__ import annotations

import dis
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from types import CodeType
from typing import Any

import torch

from harness.answers.arguments import KINDS, Signature, arguments
from harness.engine.components.role import Role


@dataclass(frozen=True)
class Piece:
    """A component as an answer defines it.

    `name` is what the file calls it; `arguments` gives the kind of each of its arguments in the
    order of its signature, None where only the order is known; `constants` are passed as they are.
    `names` are the kinds that it takes from global names of the file instead. `no_grad` says that
    the file calls it under `torch.no_grad()`, `hand` makes what it is handed values of the file's
    framework.
    """

    role: Role
    name: str
    function: Any
    line: int
    stub: bool = False
    arguments: Mapping[str, str] | None = None
    constants: Mapping[str, object] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    guessed: tuple[str, ...] = ()
    no_grad: bool = False
    hand: Callable[[Any], Any] | None = None

    def __call__(self, **values: Any) -> Any:
        """Call it; `values` are named by their kinds, those that it does not take are left out."""
        values = self.handed(values)
        if self.names:
            namespace = getattr(inspect.unwrap(self.function), "__globals__", {})
            namespace.update(
                {name: values[kind] for name, kind in self.names.items() if kind in values}
            )
        with self.as_called():
            return self._call(values)

    def handed(self, value: Any) -> Any:
        """A value, or what holds some, as the file's framework has them."""
        return value if self.hand is None else self.hand(value)

    def as_called(self) -> AbstractContextManager[object]:
        """The grad mode in which the file calls it."""
        return torch.no_grad() if self.no_grad else nullcontext()

    def _call(self, values: dict[str, Any]) -> Any:
        if self.arguments is None:
            takes = self.role.takes
            return self.function(*(values[kind] for kind in takes if kind in values))
        known = {n: values[k] for n, k in self.arguments.items() if k in values}
        known |= self.constants
        positional, named = _passed(self._parameters, known)
        return self.function(*positional, **named)

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    def bound(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """What the arguments of a call mean, by kind; TypeError where the call does not fit."""
        kinds = self.arguments or {}
        values = inspect.signature(self.function).bind(*args, **kwargs).arguments
        return {kinds[name]: value for name, value in values.items() if name in kinds}

    def values(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The same, {} where the call does not fit."""
        try:
            return self.bound(*args, **kwargs)
        except (TypeError, ValueError):
            return {}


def _passed(
    parameters: Mapping[str, inspect.Parameter], known: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    """The arguments, by position as far as that goes: some wrappers map only those."""
    positional: list[Any] = []
    for name, parameter in parameters.items():
        if name not in known or parameter.kind in _NAMED_ONLY:
            break
        positional.append(known[name])
    later = islice(parameters, len(positional), None)
    return positional, {name: known[name] for name in later if name in known}


_NAMED_ONLY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)


def reads_of(function: Any, namespace: Mapping[str, Any]) -> set[str]:
    """The global names that a function reads, and those of the file's functions that it calls."""
    names: set[str] = set()
    waiting = codes(function)
    while waiting:
        code = waiting.pop()
        new = _loaded(code) - names
        names |= new
        waiting += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        waiting += [c for name in new for c in codes(namespace.get(name))]
    return names


@lru_cache(maxsize=1024)
def _loaded(code: CodeType) -> frozenset[str]:
    """The global names that code loads by itself."""
    return frozenset(i.argval for i in dis.get_instructions(code) if i.opname in _LOADS)


_LOADS = ("LOAD_GLOBAL", "LOAD_NAME")


def codes(function: Any) -> list[CodeType]:
    """The code of a function and of those that it decorates."""
    found = []
    while function is not None:
        if isinstance(code := getattr(function, "__code__", None), CodeType):
            found.append(code)
        function = getattr(function, "__wrapped__", None)
    return found


def signature_of(function: Callable[..., Any]) -> tuple[Signature, bool] | None:
    """The signature of something that was made at run time, and whether it takes any number more.

    None where it has none, as many functions written in C.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    plain = [p for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    signature = Signature(
        tuple(p.name for p in plain if p.default is p.empty),
        tuple(p.name for p in plain if p.default is not p.empty),
        tuple(p.name for p in plain if p.kind is p.KEYWORD_ONLY),
    )
    return signature, any(p.kind is p.VAR_POSITIONAL for p in parameters)


def made(
    role: Role,
    name: str,
    function: Any,
    line: int,
    *,
    stub: bool,
    constants: Mapping[str, object],
    reads: set[str],
) -> Piece:
    """A piece for a role; `reads` are the global names that it reads and that the file has."""
    found = signature_of(function)
    if found is None:
        return Piece(role, name, function, line, stub)
    signature, open_ended = found
    kinds, guessed = arguments(role, signature)
    if open_ended and not set(role.takes) <= set(kinds.values()):
        return Piece(role, name, function, line, stub)
    fixed = {k: v for k, v in constants.items() if k in signature.names and k not in kinds}
    missing = [k for k in role.takes if k not in kinds.values()]
    if "params" in kinds.values():
        missing = [k for k in missing if k not in ("w", "b")]
    if component_takes_w_and_b(kinds):
        missing = [k for k in missing if k != "params"]
    names = {n: k for k in missing for n in sorted(reads) if n in KINDS[k]}
    return Piece(role, name, function, line, stub, kinds, fixed, names, tuple(guessed))


def closed_over(piece: Piece) -> dict[str, Any]:
    """The numbers that a function has from where it was made, by what they mean."""
    cells = getattr(piece.function, "__closure__", None) or ()
    names = getattr(getattr(piece.function, "__code__", None), "co_freevars", ())
    held = dict(zip(names, (cell.cell_contents for cell in cells), strict=False))
    taken = {*(piece.arguments or {}).values(), *piece.names.values()}
    return {
        kind: value
        for name, value in held.items()
        for kind in _SETTINGS
        if name in KINDS[kind] and kind not in taken and type(value) in (int, float)
    }


_SETTINGS = ("lr", "num_epochs", "batch_size")


def component_takes_w_and_b(kinds: Mapping[str, str]) -> bool:
    """Whether the parameters are passed one by one."""
    return {"w", "b"} <= set(kinds.values())
