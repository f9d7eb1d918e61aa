"""What a run did, by stage and step, in columns: batch, prediction, loss, gradient, parameter.

A recorder fills chunks of steps; steps of equal shapes lie in one lane of buffers, and come out of
it stacked. A trace does not know what is right.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, groupby
from math import prod
from operator import attrgetter

import torch
from torch import Tensor

from harness.engine.pair import Shapes
from harness.engine.raised import Raised
from harness.engine.recipe import PLAIN, Batch, Reading

STAGES = ("batch", "prediction", "loss", "gradient", "parameter")
VALUE_STAGES = STAGES[1:]

_dtype = attrgetter("dtype")


@dataclass(frozen=True)
class Stack:
    """Steps of equal shapes, stacked: the first axis of every column is the step.

    X (K, m, ...), y (K, m, ...), prediction (K, m · width) as the pair reads it, with the
    micro-batches joined, loss (K, micros) or (K, m · ...) where it is per example, gradient (K, P)
    flattened and joined, and the state before and after the update: the parameters likewise, with
    what is carried beside them behind (K, P + C). `micros` are the rows of each micro-batch.
    `gradient_before` is the gradient that the step found, for loops that forget to clear it. Where
    the shapes are not those of a training step, `fault` names the stage and says so, and the
    columns are not to be used. `positions` count the steps within the chunk, `places` name epoch
    and batch.
    """

    positions: list[int]
    places: list[tuple[int, int]]
    X: Tensor
    y: Tensor
    micros: tuple[int, ...]
    prediction: Tensor
    loss: Tensor
    gradient: Tensor
    gradient_before: Tensor
    before: Tensor
    after: Tensor
    fault: tuple[str, str] | None = None

    def until(self, position: int) -> Stack:
        """The steps before this position only."""
        steps = bisect_left(self.positions, position)
        return self if steps == len(self) else self._between(0, steps)

    def only(self, position: int) -> Stack:
        """The step at this position only."""
        k = self.positions.index(position)
        return self._between(k, k + 1)

    def _between(self, start: int, stop: int) -> Stack:
        names = (
            *("positions", "places", "X", "y", "prediction", "loss"),
            *("gradient", "gradient_before", "before", "after"),
        )
        return replace(self, **{name: getattr(self, name)[start:stop] for name in names})

    @property
    def rows(self) -> int:
        """Rows of each batch."""
        return self.X.shape[1]

    def __len__(self) -> int:
        return len(self.places)


Counts = tuple[int, int, int]
# the parameters (P,) that a step starts with, and the features that its model is given
Entered = tuple[Tensor, list[Tensor]]


class Lane:
    """Room for the steps of one set of shapes: batch, predictions, losses, gradients.

    A row of tensors a step, of which `counts` are of the batch, predictions and losses; `positions`
    are the steps that lie here.
    """

    def __init__(self, steps: int, first: list[Tensor], counts: Counts) -> None:
        self.counts = counts
        self.buffers = [
            torch.empty((steps, *value.shape), dtype=value.dtype, device=value.device)
            for value in first
        ]
        self.positions: list[int] = []

    @classmethod
    def of(cls, buffers: list[Tensor], counts: Counts, positions: list[int]) -> Lane:
        """A lane of steps that were recorded elsewhere."""
        lane = cls.__new__(cls)
        lane.buffers, lane.counts, lane.positions = buffers, counts, positions
        return lane

    def filled(self) -> list[Tensor]:
        """Everything that lies here, column by column."""
        return [buffer[: len(self.positions)] for buffer in self.buffers]

    def fits(self, row: list[Tensor], counts: Counts) -> bool:
        """Whether a step has the shapes and dtypes of this lane."""
        return self.counts == counts and all(
            value.shape == buffer.shape[1:] and value.dtype == buffer.dtype
            for value, buffer in zip(row, self.buffers, strict=True)
        )

    def take(self, rows: list[list[Tensor]], first: int) -> None:
        """Stack consecutive steps; RuntimeError where they are not all of these shapes."""
        start, stop = len(self.positions), len(self.positions) + len(rows)
        with torch.no_grad():
            for buffer, column in zip(self.buffers, zip(*rows, strict=True), strict=True):
                if len(set(map(_dtype, column))) > 1:  # stacking would cast without a word
                    raise RuntimeError
                torch.stack(column, out=buffer[start:stop])
        self.positions.extend(range(first, first + len(rows)))

    def columns(self) -> tuple[list[Tensor], list[Tensor], list[Tensor], list[Tensor]]:
        """What lies here: batch, predictions, losses, gradients."""
        filled = self.filled()
        a, b, c = accumulate(self.counts)
        return filled[:a], filled[a:b], filled[b:c], filled[c:]


def _picker(have: list[int], want: list[int]) -> Callable[[Tensor], Tensor]:
    """Picks the rows of the wanted steps; a plain slice where all are wanted."""
    if have == want:
        return lambda column: column[: len(have)]
    rows = {step: row for row, step in enumerate(have)}
    chosen = torch.tensor([rows[step] for step in want])
    return lambda column: column[chosen.to(column.device)]


def _joined(parts: list[Tensor]) -> Tensor:
    """Columns (K, ...) side by side: (K, all entries)."""
    if len(parts) == 1:
        return parts[0].reshape(len(parts[0]), -1)
    return torch.cat([part.reshape(len(part), -1) for part in parts], dim=1)


@dataclass
class Chunk:
    """Some consecutive steps of a run in columns, with what the first of them started from.

    A step is an update. `after` (K, P + C) is the state after it, flattened and joined: all leaves,
    and what is carried beside them. `shapes` are those that a step should have. `served` is the
    chunk whose batches these steps were done on, where they are not kept here.
    """

    before: Tensor
    gradient_before: Tensor
    after: Tensor
    places: list[tuple[int, int]]
    lanes: list[Lane]
    shapes: Shapes
    served: Chunk | None = None

    def __len__(self) -> int:
        return len(self.places)

    @cached_property
    def before_each(self) -> Tensor:
        """State that each step started from: (K, P + C)."""
        return torch.cat((self.before.reshape(1, -1), self.after[:-1]))

    @cached_property
    def gradient(self) -> Tensor:
        """Gradients of all leaves, flattened and joined: (K, P); NaN where there was none."""
        values = self.after.new_empty(len(self.after), self.gradient_before.numel())
        for lane in self.lanes:
            *_, gradients = lane.columns()
            values[lane.positions] = _joined(gradients).to(values)
        return values

    @cached_property
    def gradient_before_each(self) -> Tensor:
        """Gradient that each step's predecessor left: (K, P)."""
        return torch.cat((self.gradient_before.reshape(1, -1), self.gradient[:-1]))

    def batches(self) -> Iterator[Batch]:
        """The batches in the order of the steps; valid as long as the chunk is."""
        return (batch for X, y in self.runs(len(self)) for batch in zip(X, y, strict=True))

    def runs(self, longest: int) -> Iterator[Batch]:
        """The batches in the order of the steps, up to `longest` of equal shapes stacked."""
        lanes = {position: lane for lane in self._serving.lanes for position in lane.positions}
        for lane, group in groupby(range(len(self)), key=lanes.__getitem__):
            positions = list(group)
            first = bisect_left(lane.positions, positions[0])
            for start in range(first, first + len(positions), longest):
                stop = min(start + longest, first + len(positions))
                X, y = lane.buffers[:2]
                yield X[start:stop], y[start:stop]

    def stacks(self, reading: Reading = PLAIN) -> Iterator[Stack]:
        """All steps, those of equal shapes together; `reading` is that of the side."""
        return (self.stack(lane.positions, reading) for lane in self._serving.lanes)

    def stack(self, positions: list[int], reading: Reading = PLAIN) -> Stack:
        """The steps at these positions, which have to be of equal shapes."""
        (X, y), *_ = self._serving.picked(positions)
        _, predictions, losses, gradients = self.picked(positions)
        fault = shape_fault(
            self.shapes,
            *([column.shape[1:] for column in part] for part in ([X, y], predictions, losses)),
        )
        empty = X.new_empty(len(X), 0)
        read = predictions
        if reading is not PLAIN and not fault:  # in float64: reading rounds nothing
            read = [reading.common(prediction.double()) for prediction in predictions]
        steps = _picker(list(range(len(self))), positions)
        return Stack(
            positions=positions,
            places=[self.places[k] for k in positions],
            X=X,
            y=y,
            micros=() if fault else tuple([p.shape[1] for p in predictions]),
            prediction=empty if fault else _joined(read),
            loss=empty if fault else _joined(losses),
            gradient=_joined(gradients),
            gradient_before=steps(self.gradient_before_each),
            before=steps(self.before_each),
            after=steps(self.after),
            fault=fault,
        )

    @property
    def _serving(self) -> Chunk:
        """The chunk that holds the batches."""
        return self if self.served is None else self.served

    def picked(self, positions: list[int]) -> list[list[Tensor]]:
        """What lies at these positions: batch, predictions, losses, gradients."""
        lane = next(lane for lane in self.lanes if positions[0] in lane.positions)
        rows = _picker(lane.positions, positions)
        return [[rows(column) for column in part] for part in lane.columns()]


@dataclass(frozen=True)
class Run:
    """A loop that ran to its end: its steps in one chunk, and the parameters (P,) it left.

    `epochs` are the batches served in each; `entered` is by position what a step really started
    with.
    """

    chunk: Chunk | None
    epochs: list[int]
    entered: dict[int, Entered]
    final: Tensor
    raised: Raised | None


def shape_fault(
    shapes: Shapes,
    batch: list[torch.Size],
    predictions: list[torch.Size],
    losses: list[torch.Size],
) -> tuple[str, str] | None:
    """The stage whose shape is not that of a training step, and the words for it."""
    X, y = batch
    if len(X) != 1 + len(shapes.features) or not X[0] or y.numel() != X[0] * prod(shapes.labels):
        return "batch", f"has features {tuple(X)} with labels {tuple(y)}"
    if not predictions and not losses:
        return "parameter", "is updated once more, without a new forward pass"
    rows = sum(p[0] if p else 0 for p in predictions)
    if rows != X[0] or any(tuple(p[1:]) != shapes.prediction for p in predictions):
        got = ", ".join(str(tuple(p)) for p in predictions) or "none"
        return "prediction", f"has shape {got}, but should have {(X[0], *shapes.prediction)}"
    if len(losses) != len(predictions):
        return "loss", f"is computed {len(losses)} times for {len(predictions)} predictions"
    for prediction, loss in zip(predictions, losses, strict=True):
        by_example = (prediction[0], *shapes.example_loss)
        if loss and tuple(loss) != by_example:
            return "loss", f"has shape {tuple(loss)}, but should have () or {by_example}"
    return None
