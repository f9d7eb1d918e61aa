"""Run two sides side by side: start reading here.

The subject trains with its own loop, free; whenever a chunk of its steps is full, the reference
does the same number of steps on the same rows. Both chunks are handed on, and whoever judges them
has the subject's pieces run one by one from the reference's states (`forced_run`). Nothing here
judges.

    subject.fit() ──chunk──► reference.stepper() ──► PairedChunks ──► forced(subject)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from operator import attrgetter

import torch
from torch import Tensor

from harness.engine.case import Case, Data
from harness.engine.pair import Shapes
from harness.engine.recipe import Batch, Recipe, Side
from harness.engine.recorder import STAGED_STEPS, Recorder, chunk_steps
from harness.engine.seeding import old_objects_left_alone
from harness.engine.trace import Chunk


@dataclass(frozen=True)
class PairedChunks:
    """The same steps of both sides.

    `own_lengths` are the rows of the batches that the reference served itself; `reproduced` says
    that the subject served just these, bit for bit. Where it did not, the reference was given the
    subject's. Both chunks are valid only while they are being judged.
    """

    subject: Chunk
    reference: Chunk
    own_lengths: list[int]
    reproduced: bool


@dataclass(frozen=True)
class Ending:
    """How the runs ended: batches per epoch of both sides.

    `generators_agree` compares the states in which both data generators were left; `kept` says that
    the subject's loop left the parameters as its last update made them, `clipped` that it called
    the subject's clip.
    """

    subject_epochs: list[int]
    reference_epochs: list[int]
    generators_agree: bool
    kept: bool = True
    clipped: bool = False


class UntrainableError(Exception):
    """The subject served a batch that no reference could do a step on."""

    def __init__(self, place: tuple[int, int], batch: Batch) -> None:
        X, y = batch
        super().__init__(
            f"serves features {tuple(X.shape)} {X.dtype} with labels {tuple(y.shape)} {y.dtype}"
        )
        self.place = place


class Reference:
    """The reference's side, advanced a chunk at a time on whatever batches it is given."""

    def __init__(
        self, recipe: Recipe, case: Case, data: Data, lr: float, steps: int, *, copy: bool
    ) -> None:
        self.chunks: list[Chunk] = []
        shapes = case.pair.shapes(case)
        self.recorder = Recorder(steps, self.chunks.append, shapes, copy=copy)
        self.side = recipe.build(case, data, self.recorder, lr=lr)
        self.step = self.side.stepper()
        self.own = self._own(recipe.build(case, data, lr=lr))
        self.epochs: list[int] = []
        self.place: tuple[int, int] | None = None
        self.current: Batch | None = None

    def _own(self, unobserved: Side) -> Iterator[Batch]:
        """The batches that the reference serves itself, epoch after epoch."""
        self.generator = unobserved.generator
        for _ in range(unobserved.case.epochs):
            self.epochs.append(0)
            for batch in unobserved.loader:
                self.epochs[-1] += 1
                yield batch

    def follow(self, chunk: Chunk) -> PairedChunks:
        """Do the steps of the subject's chunk, on the reference's own batches where equal."""
        self.recorder.follow(chunk)
        lengths: list[int] = []
        reproduced = True
        for X, y in chunk.runs(STAGED_STEPS):
            places = chunk.places[len(lengths) : len(lengths) + len(X)]
            batches = [self._next(place) for place in places]
            lengths += [len(own[0]) if own else 0 for own in batches]
            if not _equal(batches, X, y):
                reproduced = False
                if not _trainable((X[0], y[0]), self.side.data, chunk.shapes):
                    raise UntrainableError(places[0], (X[0], y[0]))
                # copies, so that a reference that writes to its batch does not write to the record
                batches = list(zip(X.clone(), y.clone(), strict=True))
            for place, batch in zip(places, batches, strict=True):
                assert batch is not None
                self.recorder.serve(batch, place)
                self.step(batch)
        self.recorder.close()  # no-op where the chunk was full
        return PairedChunks(chunk, self.chunks.pop(), lengths, reproduced)

    def _next(self, place: tuple[int, int]) -> Batch | None:
        """The reference's own batch for this place; the same again where a step is repeated."""
        if place != self.place:
            self.place, self.current = place, next(self.own, None)
        return self.current

    def drain(self) -> None:
        """Serve what is left, to know how many batches the reference would have trained on."""
        for _ in self.own:
            pass


def _equal(batches: list[Batch | None], X: Tensor, y: Tensor) -> bool:
    """Whether these batches are the stacked ones, in shape, dtype and every bit."""
    there = [batch for batch in batches if batch is not None]
    kinds = {tuple(map(_kind, batch)) for batch in there}
    return (
        len(there) == len(X)
        and kinds == {(_kind(X[0]), _kind(y[0]))}
        and all(
            torch.equal(torch.stack(column), stacked)
            for column, stacked in zip(zip(*there, strict=True), (X, y), strict=True)
        )
    )


_kind = attrgetter("shape", "dtype")


def _trainable(batch: Batch, data: Data, shapes: Shapes) -> bool:
    """Whether the reference can do a step on this batch at all."""
    X, y = batch
    return (
        X.shape[1:] == data.features.shape[1:]
        and len(X) > 0
        and len(X) * prod(shapes.labels) == y.numel()
        and (X.dtype, y.dtype) == (data.features.dtype, data.labels.dtype)
    )


def run(
    subject: Recipe,
    reference: Recipe,
    case: Case,
    data: Data,
    judge: Callable[[PairedChunks], None],
    *,
    copy: bool = False,
) -> Ending:
    """Train both sides; `judge` is called with each chunk of steps as it gets full.

    Raises `OverwrittenError` where a recorded tensor was written to: repeat it with `copy`.
    Whatever the subject's own pieces raise passes through.
    """
    shapes = case.pair.shapes(case)
    per_row = data.features[0].numel() + prod(shapes.labels) + 2 * shapes.width
    steps = chunk_steps(min(case.batch_size, case.n), per_row, case.num_parameters)
    lr = reference_lr(subject, reference, case)
    follower = Reference(reference, case, data, lr, steps, copy=copy)

    @torch.enable_grad()  # the chunk may fill up while the subject's loop computes without
    def full(chunk: Chunk) -> None:
        judge(follower.follow(chunk))

    recorder = Recorder(steps, full, shapes, copy=copy)
    side = subject.build(case, data, recorder)
    with old_objects_left_alone():
        try:
            side.fit()
        finally:
            recorder.close()
    follower.drain()
    return Ending(
        recorder.epoch_steps,
        follower.epochs,
        torch.equal(side.generator.get_state(), follower.generator.get_state()),
        recorder.is_last(),
        side.clipped,
    )


def replay(
    chunk: Chunk,
    subject: Recipe,
    reference: Recipe,
    case: Case,
    data: Data,
    judge: Callable[[PairedChunks], None],
) -> list[int]:
    """Have the reference follow steps that were recorded before, all in one chunk.

    Returns the batches that the reference would have trained on in each epoch.
    """
    lr = reference_lr(subject, reference, case)
    follower = Reference(reference, case, data, lr, len(chunk), copy=False)
    judge(follower.follow(chunk))
    follower.drain()
    return follower.epochs


def reference_lr(subject: Recipe, reference: Recipe, case: Case) -> float:
    """The reference's learning rate that makes its path the subject's: ½ squares ↔ lr / 2."""
    return case.lr * subject.convention.factor / reference.convention.factor
