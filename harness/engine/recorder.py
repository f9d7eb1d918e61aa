"""The recorder: stands at the pieces of a side, and turns what passes into chunks of steps.

It keeps references to what passes, which costs next to nothing. Every few dozen steps it stacks
them into buffers, and hands the buffers on when they are full: its memory does not grow with the
run, and nothing is compared step by step. A tensor that was written to after it passed raises
`OverwrittenError`; the run is then to be repeated with `copy=True`, which snapshots every tensor as
it passes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from operator import attrgetter

import torch
from torch import Tensor

from harness.engine.case import bits_of
from harness.engine.pair import Shapes
from harness.engine.raised import plain_tensor
from harness.engine.recipe import Batch, Forward, Loss
from harness.engine.trace import Chunk, Counts, Entered, Lane

MAX_CHUNK_STEPS = 1024
CHUNK_BYTES = 6 << 20
MAX_LANES = 4
# So few that what is held stays in the processor's cache and the garbage collector does not wake.
STAGED_STEPS = 48

_version = attrgetter("_version")


class OverwrittenError(Exception):
    """A tensor was written to after it passed the recorder."""


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

    def restart(self) -> None:
        """Take the state as it is now for what the first step starts from."""
        if not self._places:
            self._before.copy_(torch.cat(self._flat(self._state)))

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
        gradients = [
            torch.full_like(p, torch.nan) if (g := p.grad) is None else g for p in parameters
        ]
        # the first gradients are copied in any case: in a run of one step no address repeats to
        # tell that `.grad.data` was written to
        if self.copy or not self._begun:
            gradients = [g.clone() for g in gradients]
            self._begun = True
        values = [*self._batch, *self._predictions, *self._losses, *gradients]
        self._staged.append(values)
        self._counts.append((len(self._batch), len(self._predictions), len(self._losses)))
        batch, predictions, losses = self._seen
        self._versions += [*batch, *predictions, *losses, *map(_version, gradients)]
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
