"""A reply as facts and plain arrays, and back: how it crosses from the process that made it.

What comes back is believed as far as it can be judged: shapes and kinds are checked here, so that
whatever arrives is either a reply or a `MalformedError`. Whether it is right is not decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import singledispatch
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from harness.engine.components import Drawn, ForcedReply, Run, Served
from harness.engine.lockstep import COLUMNS, Forced
from harness.engine.recipe import Batch
from harness.engine.trace import Chunk, Lane, Raised
from harness.isolation.codec import DTYPES, MalformedError

Facts = dict[str, Any]
LONGEST = 4000  # characters
R = TypeVar("R")


@dataclass
class Parcel:
    """Facts and arrays that travel together; names are made unique by a prefix."""

    facts: Facts = field(default_factory=dict)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def digest(self) -> bytes:
        """The same for the same facts and arrays, to the bit, and for nothing else."""
        told = [[name, str(a.dtype), a.shape] for name, a in self.arrays.items()]
        found = hashlib.blake2b(json.dumps([self.facts, told], sort_keys=True).encode())
        for array in self.arrays.values():
            found.update(np.ascontiguousarray(array).data)
        return found.digest()

    def put(self, name: str, value: Tensor) -> None:
        """Add a tensor; a dtype that cannot cross becomes float64."""
        plain = value.detach().cpu().contiguous()
        if str(plain.dtype).removeprefix("torch.") not in DTYPES:
            plain = plain.to(torch.complex128).real if plain.is_complex() else plain.double()
        self.arrays[name] = plain.numpy()

    def take(self, name: str, ndim: int | None = None) -> Tensor:
        """A copy of an array as a tensor of its own; MalformedError where it is not there."""
        array = self.arrays.get(name)
        if array is None or (ndim is not None and array.ndim != ndim):
            raise MalformedError(f"the array {name} is missing or has another shape")
        return torch.from_numpy(array.copy())


def pack(reply: Any) -> Parcel:
    """A reply as facts and arrays."""
    parcel = Parcel()
    parcel.facts = _pack(reply, parcel)
    return parcel


def unpack(kind: type[R], parcel: Parcel) -> R:
    """The reply of this type that was packed; MalformedError where this is none."""
    readers: dict[type, Any] = {
        ForcedReply: _unpack_reply,
        Served: _unpack_served,
        Drawn: _unpack_drawn,
        Run: _unpack_run,
    }
    try:
        reply: R = readers[kind](parcel, parcel.facts)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise MalformedError(f"it is no reply: {type(error).__name__} {error}") from error
    return reply


@singledispatch
def _pack(reply: object, parcel: Parcel) -> Facts:
    raise TypeError(f"{type(reply).__name__} is no reply for {type(parcel).__name__}")


# Single pieces.


@_pack.register
def _pack_reply(reply: ForcedReply, parcel: Parcel) -> Facts:
    rounds: dict[str, Sequence[Forced]] = {"once": reply.once, "again": reply.again}
    return {
        name: [_pack_forced(parcel, f"{name}.{i}", steps) for i, steps in enumerate(stacks)]
        for name, stacks in rounds.items()
    }


def _unpack_reply(parcel: Parcel, facts: Facts) -> ForcedReply:
    once, again = (
        [_unpack_forced(parcel, f"{name}.{i}", entry) for i, entry in enumerate(facts[name])]
        for name in ("once", "again")
    )
    return ForcedReply(once, tuple(again))


def _pack_forced(parcel: Parcel, prefix: str, got: Forced) -> Facts:
    filled = [name for name in COLUMNS if len(getattr(got, name))]
    for name in filled:
        parcel.put(f"{prefix}.{name}", getattr(got, name))
    return {
        "columns": filled,
        "faults": got.faults,
        "raised": {name: asdict(raised) for name, raised in got.raised.items()},
    }


def _unpack_forced(parcel: Parcel, prefix: str, facts: Facts) -> Forced:
    columns = {
        name: parcel.take(f"{prefix}.{name}", 2) if name in facts["columns"] else torch.empty(0, 0)
        for name in COLUMNS
    }
    faults = {
        _column(name): (int(k), _text(text)) for name, (k, text) in dict(facts["faults"]).items()
    }
    raised = {_column(name): _raised(entry) for name, entry in dict(facts["raised"]).items()}
    return Forced(**columns, faults=faults, raised=raised)


def _column(name: str) -> str:
    if name not in COLUMNS:
        raise ValueError(name)
    return name


def _text(said: object) -> str:
    """Words of an answer, no more of them than anybody reads: what is judged may be kept."""
    return str(said)[:LONGEST]


def _raised(facts: Facts) -> Raised:
    return Raised(
        str(facts["stage"]),
        int(facts["epoch"]),
        int(facts["step"]),
        _text(facts["kind"]),
        _text(facts["message"]),
        None if facts["line"] is None else int(facts["line"]),
    )


def _perhaps_raised(facts: Facts | None) -> Raised | None:
    return None if facts is None else _raised(facts)


# The data iterator.


@_pack.register
def _pack_served(served: Served, parcel: Parcel) -> Facts:
    parcel.put("features", served.features)
    parcel.put("labels", served.labels)
    return {
        "epochs": [_pack_epoch(parcel, f"epochs.{e}", b) for e, b in enumerate(served.epochs)],
        "other": [_pack_epoch(parcel, f"other.{e}", b) for e, b in enumerate(served.other)],
        "raised": asdict(served.raised) if served.raised else None,
        "endless": served.endless,
    }


def _unpack_served(parcel: Parcel, facts: Facts) -> Served:
    epochs, other = (
        [_unpack_epoch(parcel, f"{name}.{e}", *parts) for e, parts in enumerate(facts[name])]
        for name in ("epochs", "other")
    )
    return Served(
        epochs,
        other,
        parcel.take("features"),
        parcel.take("labels"),
        _perhaps_raised(facts["raised"]),
        bool(facts["endless"]),
    )


def _pack_epoch(parcel: Parcel, prefix: str, batches: list[Batch]) -> list[Any]:
    return [
        _pack_parts(parcel, f"{prefix}.{name}", list(parts))
        for name, parts in zip("Xy", zip(*batches, strict=True), strict=False)
    ]


def _unpack_epoch(parcel: Parcel, prefix: str, *packed: Any) -> list[Batch]:
    """The batches of an epoch; `packed` are two, or none where nothing was served."""
    parts = [_unpack_parts(parcel, f"{prefix}.{n}", p) for n, p in zip("Xy", packed, strict=False)]
    return [(X, y) for X, y in zip(*parts, strict=True)]


def _pack_parts(parcel: Parcel, name: str, parts: list[Tensor]) -> Facts:
    """Tensors, as one array where their rows are alike: hundreds of small ones take their time."""
    joined = len({(part.dtype, part.shape[1:], part.ndim > 0) for part in parts}) == 1
    if joined and parts[0].ndim:
        parcel.put(name, torch.cat(parts))
        return {"lengths": [len(part) for part in parts]}
    for k, part in enumerate(parts):
        parcel.put(f"{name}.{k}", part)
    return {"count": len(parts)}


def _unpack_parts(parcel: Parcel, name: str, facts: Facts) -> list[Tensor]:
    if "lengths" in facts:
        whole = parcel.take(name)
        return list(whole.split([int(length) for length in facts["lengths"]]))
    return [parcel.take(f"{name}.{k}") for k in range(int(facts["count"]))]


# The initial parameters.


@_pack.register
def _pack_drawn(drawn: Drawn, parcel: Parcel) -> Facts:
    parcel.put("weights", drawn.weights)
    parcel.put("biases", drawn.biases)
    facts = asdict(drawn)
    del facts["weights"], facts["biases"]
    return facts


def _unpack_drawn(parcel: Parcel, facts: Facts) -> Drawn:
    shapes = [tuple(int(size) for size in shape) for shape in facts["shapes"]]
    if len(shapes) not in (0, 2):
        raise ValueError("parameters")
    return Drawn(
        shapes,
        [str(dtype) for dtype in facts["dtypes"]],
        [bool(value) for value in facts["requires_grad"]],
        [bool(value) for value in facts["is_leaf"]],
        parcel.take("weights").double(),
        parcel.take("biases").double(),
        [bool(value) for value in facts["found"]],
        _perhaps_raised(facts["raised"]),
    )


# The loop.


@_pack.register
def _pack_run(run: Run, parcel: Parcel) -> Facts:
    parcel.put("final", run.final)
    facts: Facts = {
        "epochs": run.epochs,
        "raised": asdict(run.raised) if run.raised else None,
        "chunk": None,
        "entered": {},
    }
    for k, (value, given) in run.entered.items():
        facts["entered"][str(k)] = len(given)
        parcel.put(f"entered.{k}", value)
        for i, part in enumerate(given):
            parcel.put(f"given.{k}.{i}", part)
    if run.chunk is not None:
        facts["chunk"] = _pack_chunk(parcel, run.chunk)
    return facts


def _pack_chunk(parcel: Parcel, chunk: Chunk) -> Facts:
    for name in ("before", "gradient_before", "after"):
        parcel.put(name, getattr(chunk, name))
    for i, lane in enumerate(chunk.lanes):
        for j, buffer in enumerate(lane.filled()):
            parcel.put(f"lane.{i}.{j}", buffer)
    return {
        "places": chunk.places,
        "lanes": [[lane.counts, lane.positions] for lane in chunk.lanes],
    }


def _unpack_run(parcel: Parcel, facts: Facts) -> Run:
    entered = {
        int(k): (
            parcel.take(f"entered.{int(k)}", 1),
            [parcel.take(f"given.{int(k)}.{i}") for i in range(int(count))],
        )
        for k, count in dict(facts["entered"]).items()
    }
    chunk = None if facts["chunk"] is None else _unpack_chunk(parcel, facts["chunk"])
    epochs = [int(count) for count in facts["epochs"]]
    return Run(chunk, epochs, entered, parcel.take("final", 1), _perhaps_raised(facts["raised"]))


def _unpack_chunk(parcel: Parcel, facts: Facts) -> Chunk:
    places = [(int(epoch), int(step)) for epoch, step in facts["places"]]
    after = parcel.take("after", 2)
    before, gradient_before = (parcel.take(name, 1) for name in ("before", "gradient_before"))
    width = len(before)
    lanes = [_unpack_lane(parcel, i, width, *entry) for i, entry in enumerate(facts["lanes"])]
    positions = sorted(position for lane in lanes for position in lane.positions)
    if positions != list(range(len(places))) or after.shape != (len(places), len(before)):
        raise ValueError("steps")
    return Chunk(before, gradient_before, after, places, lanes)


def _unpack_lane(
    parcel: Parcel, i: int, width: int, counts: list[int], positions: list[int]
) -> Lane:
    """A lane whose gradients have this width together: then no buffer is missing."""
    batch, predictions, losses = (int(count) for count in counts)
    buffers: list[Tensor] = []
    while f"lane.{i}.{len(buffers)}" in parcel.arrays:
        buffers.append(parcel.take(f"lane.{i}.{len(buffers)}"))
    gradients = buffers[batch + predictions + losses :]
    whole = sum(gradient[0].numel() for gradient in gradients) == width
    if batch != 2 or not whole or any(len(buffer) != len(positions) for buffer in buffers):
        raise ValueError("lane")
    return Lane.of(buffers, (batch, predictions, losses), [int(k) for k in positions])
