"""Replies of components as facts and plain arrays, and back: what they have to be to be judged.

Types are checked by `isolation.payload`; here is what else holds of every reply: shapes, and which
step is which. Whether a reply is right is not decided here.
"""

from __future__ import annotations

from typing import TypeVar

from torch import Tensor

from harness.engine.components import Drawn, Run, Served
from harness.engine.forced_run import COLUMNS, Forced
from harness.engine.trace import Chunk, Lane
from harness.isolation.payload import Packer, Parts, Payload
from harness.pairs.linear import ROW_SHAPES

R = TypeVar("R")


def pack(reply: object) -> Payload:
    """A reply as facts and arrays."""
    return _PACKER.pack(type(reply), reply)


def unpack(kind: type[R], payload: Payload) -> R:
    """The reply of this type that was packed; MalformedError where this is none."""
    reply: R = _PACKER.unpack(kind, payload)
    return reply


def _of_axes(count: int, *tensors: Tensor) -> None:
    if any(tensor.ndim != count for tensor in tensors):
        raise ValueError("an array has another shape")


def _check_forced(steps: Forced) -> None:
    _of_axes(2, *(getattr(steps, name) for name in COLUMNS))
    if not {*steps.faults, *steps.raised} <= {*COLUMNS}:
        raise ValueError("columns")


def _check_served(served: Served) -> None:
    if served.fresh:  # which is not for the process that served it to say
        raise ValueError("fresh")


def _check_drawn(drawn: Drawn) -> None:
    if len(drawn.shapes) not in (0, 2) or not drawn.weights.is_floating_point():
        raise ValueError("parameters")


def _check_run(run: Run) -> None:
    _of_axes(1, run.final, *(value for value, _ in run.entered.values()))


def _check_chunk(chunk: Chunk) -> None:
    """Every step is there once, and no buffer of gradients is missing."""
    _of_axes(1, chunk.before, chunk.gradient_before)
    width = len(chunk.before)
    positions = sorted(position for lane in chunk.lanes for position in lane.positions)
    if positions != list(range(len(chunk))) or chunk.after.shape != (len(chunk), width):
        raise ValueError("steps")
    for lane in chunk.lanes:
        batch, *_, gradients = lane.columns()
        whole = sum(gradient[0].numel() for gradient in gradients) == width
        lengths = {len(buffer) for buffer in lane.buffers}
        if len(batch) != 2 or not whole or lengths != {len(lane.positions)}:
            raise ValueError("lane")


def _chunk(
    before: Tensor,
    gradient_before: Tensor,
    after: Tensor,
    places: list[tuple[int, int]],
    lanes: list[Lane],
) -> Chunk:
    # the questions are those of linear regression, and so are the shapes of a step
    return Chunk(before, gradient_before, after, places, lanes, ROW_SHAPES)


_PACKER = Packer(
    checks={
        Forced: _check_forced,
        Served: _check_served,
        Drawn: _check_drawn,
        Run: _check_run,
        Chunk: _check_chunk,
    },
    parts={
        Lane: Parts(
            {"buffers": list[Tensor], "counts": tuple[int, int, int], "positions": list[int]},
            lambda lane: vars(lane) | {"buffers": lane.filled()},
            Lane.of,
        ),
        Chunk: Parts(  # the batches are kept in its own lanes
            {
                "before": Tensor,
                "gradient_before": Tensor,
                "after": Tensor,
                "places": list[tuple[int, int]],
                "lanes": list[Lane],
            },
            vars,
            _chunk,
        ),
    },
)
