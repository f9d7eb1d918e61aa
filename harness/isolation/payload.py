"""Values as facts and plain arrays, and back, by their types: how they cross the border.

A dataclass crosses as its fields do, each by its declared type; tensors and arrays cross as plain
arrays under the path of their field. What comes back from an untrusted process is believed as far
as its types go: anything else is a `MalformedError`. Whether it is right is not decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import torch
from torch import Tensor

from harness.isolation.codec import DTYPES, MalformedError

LONGEST = 4000  # characters of a text: no more than anybody reads, since what is judged may be kept
# What stands for an array among the facts, and for a column that nobody asked for.
HERE, EMPTY = {"array": True}, {"array": False}
PLAIN = None | bool | int | float | str | np.ndarray | tuple[float, ...]  # what `Any` may be
Batch = tuple[Tensor, Tensor]


@dataclass
class Payload:
    """Facts and arrays that travel together."""

    facts: Any = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """The same for the same facts and arrays, to the bit, and for nothing else."""
        shapes = [[name, str(a.dtype), a.shape] for name, a in self.arrays.items()]
        digest = hashlib.blake2b(json.dumps([self.facts, shapes], sort_keys=True).encode())
        for array in self.arrays.values():
            digest.update(np.ascontiguousarray(array).data)
        return digest.digest()

    def put(self, name: str, value: Tensor | np.ndarray) -> dict[str, bool]:
        """Add an array; a dtype of torch's that cannot cross becomes float64."""
        if isinstance(value, np.ndarray):
            self.arrays[name] = value
            return HERE
        if value.shape == (0, 0):
            return EMPTY
        plain = value.detach().cpu().contiguous()
        if str(plain.dtype).removeprefix("torch.") not in DTYPES:
            plain = plain.to(torch.complex128).real if plain.is_complex() else plain.double()
        self.arrays[name] = plain.numpy()
        return HERE

    def take(self, name: str, kind: type, facts: dict[str, bool]) -> Any:
        """A copy of an array; MalformedError where it is not there."""
        if facts == EMPTY and kind is Tensor:
            return torch.empty(0, 0)
        if name not in self.arrays:
            raise MalformedError(f"the array {name} is missing")
        array = self.arrays[name].copy()
        return torch.from_numpy(array) if kind is Tensor else array

    def put_as(self, kind: Any, name: str, value: Any) -> Any:
        """Add what is of one of the types that are made of arrays alone."""
        if kind == list[Batch]:
            columns = zip("Xy", zip(*value, strict=True), strict=False)
            return [self._put_all(_at(name, part), list(column)) for part, column in columns]
        return self._put_all(name, value) if kind == list[Tensor] else self.put(name, value)

    def take_as(self, kind: Any, name: str, facts: Any) -> Any:
        """What was added so."""
        if kind == list[Batch]:
            columns = zip("Xy", facts, strict=bool(facts))
            parts = [self._take_all(_at(name, part), column) for part, column in columns]
            return list(zip(*parts, strict=True))
        return self._take_all(name, facts) if kind == list[Tensor] else self.take(name, kind, facts)

    def _put_all(self, name: str, values: list[Tensor]) -> dict[str, Any]:
        """Tensors, as one array where their rows are alike: hundreds of them take their time."""
        joined = len({(part.dtype, part.shape[1:], part.ndim > 0) for part in values}) == 1
        if joined and values[0].ndim:
            whole = self.put(name, torch.cat(values))
            return {"whole": whole, "lengths": [len(part) for part in values]}
        return {"parts": [self.put(_at(name, at), part) for at, part in enumerate(values)]}

    def _take_all(self, name: str, facts: dict[str, Any]) -> list[Tensor]:
        if "whole" in facts:
            whole: Tensor = self.take(name, Tensor, facts["whole"])
            return list(whole.split([int(length) for length in facts["lengths"]]))
        each = enumerate(facts["parts"])
        return [self.take(_at(name, at), Tensor, part) for at, part in each]


@dataclass(frozen=True)
class Parts:
    """A class that is no dataclass: its parts and their types, and how it is made of them."""

    kinds: Mapping[str, Any]
    of: Callable[[Any], Mapping[str, Any]]
    made: Callable[..., Any]


@dataclass(frozen=True)
class Packer:
    """Packs values of any type made of those below, and unpacks them.

    `checks` look at each value of a type that comes back, and raise ValueError where it cannot be;
    `parts` are of the classes that are no dataclasses.
    """

    checks: Mapping[type, Callable[[Any], None]] = field(default_factory=dict)
    parts: Mapping[type, Parts] = field(default_factory=dict)

    def pack(self, kind: Any, value: Any) -> Payload:
        """A value of this type as facts and arrays."""
        payload = Payload()
        payload.facts = self._out(kind, value, payload, "")
        return payload

    def unpack(self, kind: Any, payload: Payload) -> Any:
        """The value of this type that was packed; MalformedError where this is none."""
        try:
            return self._back(kind, payload.facts, payload, "")
        except (KeyError, TypeError, ValueError, IndexError, AttributeError, RuntimeError) as error:
            raise MalformedError(f"it is no reply: {type(error).__name__} {error}") from error

    def _out(self, kind: Any, value: Any, payload: Payload, path: str) -> Any:
        kind = _option(kind, lambda option: isinstance(value, _class(option)))
        if kind in _ARRAYS:
            return payload.put_as(kind, path, value)
        if _is_scalar(kind):
            return value
        if _is_row(kind):
            return list(value)
        held = self._record(kind).of(value) if _is_record(kind) else value
        parts = self._parts_of(kind, held)
        facts = {str(n): self._out(of, part, payload, _at(path, n)) for n, of, part in parts}
        return list(facts.values()) if _is_sequence(kind) else facts

    def _back(self, kind: Any, facts: Any, payload: Payload, path: str) -> Any:
        kind = _option(kind, lambda option: _fits(option, facts))
        if not _fits(kind, facts):
            raise TypeError(f"{path} is {type(facts).__name__}")
        if kind in _ARRAYS:
            return payload.take_as(kind, path, facts)
        if _is_scalar(kind):
            return facts[:LONGEST] if isinstance(facts, str) else facts
        parts = self._parts_of(kind, facts)
        held = {n: self._back(of, part, payload, _at(path, n)) for n, of, part in parts}
        if len(held) != len(facts):
            raise ValueError(f"{path} has {len(facts)} parts")
        return self._made(kind, held)

    def _parts_of(self, kind: Any, held: Any) -> Iterator[tuple[Any, Any, Any]]:
        """The parts of a value, or of its facts: name, type, and what is there."""
        if _is_sequence(kind):
            first, *others = get_args(kind)
            kinds = (first,) * len(held) if others in ([], [...]) else (first, *others)
            yield from ((n, *each) for n, each in enumerate(zip(kinds, held, strict=True)))
        elif _is_record(kind):
            yield from ((name, of, held[name]) for name, of in self._record(kind).kinds.items())
        else:
            key, of = get_args(kind)
            yield from ((key(name), of, part) for name, part in held.items())

    def _made(self, kind: Any, held: dict[Any, Any]) -> Any:
        if _is_sequence(kind):
            return _class(kind)(held.values())
        if not _is_record(kind):
            return held
        value = self._record(kind).made(**held)
        if check := self.checks.get(kind):
            check(value)
        return value

    def _record(self, kind: type) -> Parts:
        return self.parts.get(kind) or _fields(kind)


_ARRAYS = (Tensor, np.ndarray, list[Tensor], list[Batch])
_SCALARS = (bool, int, float, str, NoneType)


@lru_cache(maxsize=64)
def _fields(kind: type) -> Parts:
    """The fields of a dataclass."""
    return Parts(get_type_hints(kind), vars, kind)


# Types are few, and looked at for every value of every reply.
@lru_cache(maxsize=512)
def _class(kind: Any) -> type:
    """The class that values of a type are of."""
    origin = get_origin(kind)
    return str if origin is Literal else origin or kind


def _option(kind: Any, holds: Callable[[Any], bool]) -> Any:
    """Of several types the one that holds; any other type is itself."""
    options = _options(kind)
    return next(filter(holds, options), NoneType) if options else kind


@lru_cache(maxsize=512)
def _options(kind: Any) -> tuple[Any, ...]:
    """The types that a value of a type may be of; none where it is only itself."""
    if kind is not Any and get_origin(kind) not in (Union, UnionType):
        return ()
    return get_args(PLAIN if kind is Any else kind)


@lru_cache(maxsize=512)
def _is_row(kind: Any) -> bool:
    """Whether this is a list or tuple of plain numbers or texts, all of one type."""
    if not _is_sequence(kind):
        return False
    first, *others = get_args(kind) or (Any,)
    return all(other in (first, ...) for other in others) and first in _SCALARS


@lru_cache(maxsize=512)
def _is_scalar(kind: Any) -> bool:
    return _class(kind) in _SCALARS


@lru_cache(maxsize=512)
def _is_sequence(kind: Any) -> bool:
    return issubclass(_class(kind), list | tuple)


@lru_cache(maxsize=512)
def _is_record(kind: Any) -> bool:
    return not (_is_sequence(kind) or issubclass(_class(kind), Mapping))


def _fits(kind: Any, facts: Any) -> bool:
    """Whether facts can be a value of this type."""
    if get_origin(kind) is Literal:
        return facts in get_args(kind)
    if kind in (Tensor, np.ndarray):
        return facts in (HERE, EMPTY)
    if _is_scalar(kind):
        return type(facts) is kind or (kind is float and type(facts) is int)
    listed = kind != list[Tensor] and _is_sequence(kind)
    return isinstance(facts, list if listed else dict)


def _at(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
