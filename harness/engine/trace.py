"""What a run did, by stage and step, in columns: batch, prediction, loss, gradient, parameter.

The recorder stands at the pieces of a side and keeps references to what passes, which costs next
to nothing. Every few dozen steps it stacks them into buffers, and hands the buffers on when they
are full: its memory does not grow with the run, and nothing is compared step by step. A tensor
that was written to after it passed raises `OverwrittenError`; the run is then to be repeated with
`copy=True`, which snapshots every tensor as it passes. A trace does not know what is right.
"""

from __future__ import annotations

import sysconfig
import traceback
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, chain, groupby
from math import prod
from operator import attrgetter
from pathlib import Path

import torch
from torch import Tensor

from harness.engine.case import bits_of
from harness.engine.pair import Shapes
from harness.engine.recipe import PLAIN, Batch, Forward, Loss, Reading

STAGES = ("batch", "prediction", "loss", "gradient", "parameter")
VALUE_STAGES = STAGES[1:]
MAX_CHUNK_STEPS = 1024
CHUNK_BYTES = 6 << 20
MAX_LANES = 4
# So few that what is held stays in the processor's cache and the garbage collector does not wake.
STAGED_STEPS = 48

_version = attrgetter("_version")
_dtype = attrgetter("dtype")


class ReturnedError(TypeError):
    """A piece returned something of this kind, but should return something else."""

    def __init__(self, piece: str, kind: str, should: str) -> None:
        super().__init__(f"{piece} returned {kind}, but should return {should}")
        self.kind = kind


@dataclass(frozen=True)
class Raised:
    """What a piece raised: at which stage and place, the exception's type and its message.

    `line` is the last line that it passed in code that is neither ours nor a library's. Where it
    raised nothing itself, but returned what it should not, `returned` says of which kind that was.
    """

    stage: str
    epoch: int
    step: int
    kind: str
    message: str
    line: int | None = None
    returned: str | None = None

    @classmethod
    def by(cls, error: BaseException, stage: str, place: tuple[int, int]) -> Raised:
        """This exception at this place."""
        returned = error.kind if isinstance(error, ReturnedError) else None
        return cls(stage, *place, kind_of(error), str(error), own_line(error), returned)


def kind_of(error: BaseException) -> str:
    """The type of an exception, as its reader knows it."""
    return TypeError.__name__ if isinstance(error, ReturnedError) else type(error).__name__


_HERE = Path(__file__).resolve().parents[2]
_FOREIGN = (
    *(str(_HERE / name) for name in ("harness", "scratch", "builtin")),
    str(Path(torch.__file__).resolve().parents[1]),
    sysconfig.get_paths()["stdlib"],
)


def own_line(error: BaseException) -> int | None:
    """The last line of a traceback in somebody's own file: not ours, torch's, or Python's."""
    frames = traceback.extract_tb(error.__traceback__)
    own = (f.lineno for f in reversed(frames) if not f.filename.startswith((*_FOREIGN, "<")))
    return next(own, None)


class OverwrittenError(Exception):
    """A tensor was written to after it passed the recorder."""


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


def plain_tensor(value: object, piece: str) -> Tensor:
    """What a piece returned, where it is a tensor with numbers in it; else TypeError."""
    if not isinstance(value, Tensor):
        raise ReturnedError(piece, type(value).__name__, "a tensor")
    if value.layout is not torch.strided or value.is_meta:
        kind = "a tensor without numbers" if value.is_meta else f"a {value.layout} tensor"
        raise ReturnedError(piece, kind, "a plain one")
    return value


class Recorder:
    """An observer that turns what passes the pieces of a side into chunks of steps.

    `full` is called with each full chunk and with the rest at `close`; a chunk is valid until the
    next update. `copy` snapshots every tensor as it passes instead of checking afterwards that
    nobody wrote to it; so it is in any case where tensors have no address to check.
    """

    def __init__(
        self,
        chunk_steps: int,
        full: Callable[[Chunk], None],
        shapes: Shapes,
        *,
        copy: bool = False,
    ) -> None:
        self.chunk_steps, self.full, self.copy = chunk_steps, full, copy
        self.shapes = shapes
        self.epoch_steps: list[int] = []
        self._place = (0, 0)
        self._places: list[tuple[int, int]] = []
        self._batch: list[Tensor] = []
        self._predictions: list[Tensor] = []
        self._losses: list[Tensor] = []
        # versions as the tensors pass: of the batch, the predictions and the losses
        self._seen: tuple[list[int], list[int], list[int]] = ([], [], [])
        self._staged: list[list[Tensor]] = []
        self._counts: list[Counts] = []
        self._versions: list[int] = []
        self._lanes: list[Lane] = []
        self._served: Chunk | None = None
        self._begun = False
        self.entered: dict[int, Entered] = {}
        self._raised_at: str | None = None

    def batches(self, served: Iterable[Batch]) -> Iterable[Batch]:
        """The same batches, seen as they are served; one epoch each time it is iterated."""
        return _Observed(served, self)

    def follow(self, served: Chunk) -> None:
        """The next steps are done on the batches of this chunk, which need no second record."""
        self._served = served

    def serve(self, batch: Batch, place: tuple[int, int]) -> None:
        """A batch is about to be trained on; what was predicted since the last update is void."""
        self._place = place
        if self._served is None:
            X, y = batch
            self._batch = [X, y]
        self._predictions, self._losses = [], []
        self._seen = (_versions(self._batch), [], [])
        if self.copy:
            self._batch = [part.clone() for part in self._batch]

    def failed_to_serve(self, place: tuple[int, int]) -> None:
        """The iterator raised where this batch should have come."""
        self._raised_at, self._place = "batch", place

    def forward(self, fn: Forward) -> Forward:
        """Keep each prediction."""

        def observed(X: Tensor) -> Tensor:
            if self.copy:
                self._enter(X)
            try:
                prediction = fn(X)
            except BaseException:
                self._raised_at = "prediction"
                raise
            self._predictions.append(kept := self._kept(prediction, "the model"))
            self._seen[1].append(_version(kept))
            return prediction

        return observed

    def loss(self, fn: Loss) -> Loss:
        """Keep each loss."""

        def observed(y_hat: Tensor, y: Tensor) -> Tensor:
            try:
                loss = fn(y_hat, y)
            except BaseException:
                self._raised_at = "loss"
                raise
            self._losses.append(kept := self._kept(loss, "the loss"))
            self._seen[2].append(_version(kept))
            return loss

        return observed

    def update(
        self,
        fn: Callable[[int], None],
        parameters: Sequence[Tensor],
        carried: Sequence[Tensor] = (),
    ) -> Callable[[int], None]:
        """Keep the gradients as the update finds them and the state as it leaves it."""
        self._state = state = [*parameters, *carried]
        self.copy = self.copy or not _addressed(state)
        self._before = torch.cat([p.detach().reshape(-1) for p in state])
        self._gradient_before = self._before.new_zeros(sum(p.numel() for p in parameters))
        self._after = self._before.new_empty(self.chunk_steps, len(self._before))
        self._left = self._before.new_empty(min(STAGED_STEPS, self.chunk_steps), len(self._before))
        self._rows = self._left.unbind()
        self._layout: list[tuple[int, tuple[int, ...]]] = []

        def observed(batch_length: int) -> None:
            self._commit(parameters)
            try:
                fn(batch_length)
            except BaseException:
                self._raised_at = "parameter"
                self._withdraw()
                raise
            row = self._rows[len(self._staged) - 1]
            torch.cat(self._flat(state), out=row)
            self._places.append(self._place)
            if len(self._staged) == len(self._rows):
                self._stage()
            if len(self._places) == self.chunk_steps:
                self._flush()

        return observed

    def is_last(self) -> bool:
        """Whether the state is, to the bit, what the last update left."""
        left = torch.cat(self._flat(self._state))
        return torch.equal(bits_of(left), bits_of(self._before))

    @property
    def raising(self) -> tuple[str, tuple[int, int]]:
        """Where an exception came from that ended the run: the stage, epoch and batch.

        What no piece raised was raised between them, where gradients are computed.
        """
        return self._raised_at or "gradient", self._place

    def _withdraw(self) -> None:
        """Forget the step whose update raised: there is nothing after it."""
        self._counts.pop()
        del self._versions[-len(self._staged.pop()) :]

    def close(self) -> None:
        """Hand over the steps of a chunk that did not fill up."""
        if self._places:
            self._flush()

    def _enter(self, X: Tensor) -> None:
        """Note what a step starts with, which a loop may have changed meanwhile or not use."""
        if not self._places:  # a new chunk
            self.entered = {} if not self._predictions else self.entered
        if not self._predictions:
            parameters = torch.cat(self._flat(self._state)).clone()
            self.entered[len(self._places)] = (parameters, [])
        self.entered[len(self._places)][1].append(X.detach().clone())

    def _kept(self, value: Tensor, piece: str) -> Tensor:
        plain_tensor(value, piece)
        return value.detach().clone() if self.copy else value.detach()

    def _flat(self, parameters: Sequence[Tensor]) -> list[Tensor]:
        """The leaves as vectors: views that are made anew only where a leaf has moved."""
        layout = [(p.data_ptr(), p.stride()) for p in parameters]
        if layout != self._layout:
            self._vectors = [p.detach().reshape(-1) for p in parameters]
            copied = [v.data_ptr() for v in self._vectors] != [address for address, _ in layout]
            self._layout = [] if copied or not _addressed(parameters) else layout
        return self._vectors

    def _commit(self, parameters: Sequence[Tensor]) -> None:
        """Keep what passed since the last update, and the gradients that this one finds."""
        if not self._batch and self._served is None:  # an update outside any batch
            self._batch = [self._before.new_empty(0, 1)] * 2
            self._seen[0][:] = [0, 0]
        found = [torch.full_like(p, torch.nan) if (g := p.grad) is None else g for p in parameters]
        # the first gradients are copied in any case: in a run of one step no address repeats to
        # tell that `.grad.data` was written to
        if self.copy or not self._begun:
            found = [g.clone() for g in found]
            self._begun = True
        values = [*self._batch, *self._predictions, *self._losses, *found]
        self._staged.append(values)
        self._counts.append((len(self._batch), len(self._predictions), len(self._losses)))
        batch, predictions, losses = self._seen
        self._versions += [*batch, *predictions, *losses, *map(_version, found)]
        self._predictions, self._losses = [], []
        self._seen = (batch, [], [])

    def _stage(self) -> None:
        """Stack the steps that are held by reference, and let go of them."""
        rows, first = self._staged, len(self._places) - len(self._staged)
        if not self.copy:
            self._refuse_overwritten()
        if first == 0:
            self._empty_lanes()
        try:  # mostly all steps are alike, and stacking them finds out at no cost
            self._take(rows, self._counts, first)
        except RuntimeError:
            for at, row in enumerate(zip(rows, self._counts, strict=True)):
                self._take([row[0]], [row[1]], first + at)
        self._after[first : first + len(rows)] = self._left[: len(rows)]
        self._staged, self._counts, self._versions = [], [], []

    def _take(self, rows: list[list[Tensor]], counts: list[Counts], first: int) -> None:
        """Put steps into the lane they fit; RuntimeError where they are not all alike."""
        if counts.count(counts[0]) < len(counts):
            raise RuntimeError
        for lane in self._lanes:
            if lane.fits(rows[0], counts[0]):
                break
        else:
            lane = Lane(self.chunk_steps, rows[0], counts[0])
            self._lanes.append(lane)
        lane.take(rows, first)

    def _empty_lanes(self) -> None:
        """Make room for the next chunk; the last one has been judged by now."""
        if len(self._lanes) > MAX_LANES:
            self._lanes = []
        for lane in self._lanes:
            lane.positions = []

    def _refuse_overwritten(self) -> None:
        """Versions tell of writes by torch, equal addresses of buffers that are used again."""
        values = list(chain.from_iterable(self._staged))
        if list(map(_version, values)) != self._versions:
            raise OverwrittenError
        addresses = list(filter(None, map(Tensor.data_ptr, values)))  # 0 where there are no entries
        if len(set(addresses)) != len(addresses):
            raise OverwrittenError

    def _flush(self) -> None:
        if self._staged:
            self._stage()
        chunk = Chunk(
            self._before,
            self._gradient_before,
            self._after[: len(self._places)],
            self._places,
            [lane for lane in self._lanes if lane.positions],
            self.shapes,
            self._served,
        )
        self._places = []
        self._before, self._gradient_before = chunk.after[-1].clone(), chunk.gradient[-1].clone()
        self.full(chunk)


def _addressed(tensors: Sequence[Tensor]) -> bool:
    """Whether addresses tell which memory was written to; a device made in Python has none."""
    return all(tensor.data_ptr() for tensor in tensors if tensor.numel())


def _versions(batch: list[Tensor]) -> list[int]:
    try:
        return list(map(_version, batch))
    except AttributeError:
        kinds = " and ".join(type(part).__name__ for part in batch)
        raise TypeError(f"the iterator served {kinds}, but should serve two tensors") from None


class _Observed:
    """Batches seen by a recorder."""

    def __init__(self, served: Iterable[Batch], recorder: Recorder) -> None:
        self._served, self._recorder = served, recorder

    def __iter__(self) -> Iterator[Batch]:
        counts, serve = self._recorder.epoch_steps, self._recorder.serve
        epoch = len(counts)
        counts.append(0)
        try:
            for index, batch in enumerate(self._served):
                counts[epoch] = index + 1
                serve(batch, (epoch, index))
                yield batch
        except Exception:
            self._recorder.failed_to_serve((epoch, counts[epoch]))
            raise


def chunk_steps(rows: int, width: int, state: int) -> int:
    """Steps whose columns fill the memory granted to a chunk.

    For batches of `rows` with `width` numbers each, what is predicted included, and a state of so
    many numbers.
    """
    return max(1, min(MAX_CHUNK_STEPS, CHUNK_BYTES // (8 * (rows * (width + 3) + 2 * state))))
