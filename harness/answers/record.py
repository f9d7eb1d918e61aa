"""What a learner's loop has done since its last step, and the steps that this comes to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from harness.engine.components import (
    LOSS,
    MODEL,
)
from harness.engine.recipe import Batch

if TYPE_CHECKING:
    from harness.answers.conductor import Conductor


class Record:
    """What a loop has asked for and computed since the last step of the side."""

    def __init__(self, conductor: Conductor) -> None:
        self.conductor = conductor
        self.queue: list[tuple[bool, Batch]] = []
        self.forwards: list[Tensor] = []
        self.idle: list[Tensor] = []
        self.losses: list[tuple[Tensor, Tensor]] = []
        self.stream: Iterator[Batch] | None = None
        self.last: Batch | None = None
        self.cut = 0
        self.cuts: list[Batch] = []
        self.late = False
        self.ahead = self.begun = False
        self.epoch = -1
        self.trained: set[int] = set()

    def serve(self, batch: Batch, *, first: bool) -> None:
        """The loop gets a batch; what it computed before is no part of the next step."""
        if first and self.ahead:  # it has left some of the last epoch
            self.close()
            self.ahead = False
        self.queue.append((first, batch))
        self.last = batch
        case = self.conductor.side.case
        whole = sum(len(X) for _, (X, _) in self.queue) >= case.n and self.queue[0][0]
        if whole and not self.conductor.pending:
            self.ahead, self.begun = len(self.queue) > 1, False
        self.late = self.conductor.pending  # an update may yet show, at the next forward pass
        if not self.late:
            self.forwards, self.losses = [], []
        self.idle = []

    def serves(self, X: Tensor) -> bool:
        """Whether these are the rows of the batch that the loop has now."""
        case = self.conductor.side.case
        if self.conductor.cuts_itself:
            return len(X) <= case.batch_size < case.n
        waiting = [batch for _, batch in self.queue] if self.ahead else []
        return any(X is batch[0] for batch in (*waiting, self.last) if batch is not None)

    def forward(self, X: Tensor, *, trains: bool) -> None:
        """The loop predicts for these rows."""
        if not trains:
            self.idle.append(X.detach())
            return
        if self.late:
            self.forwards, self.losses, self.late = [], [], False
        self.forwards.append(X.detach())
        self.idle = []
        self.conductor.pending = True

    @property
    def unseen(self) -> bool:
        """Whether a step may have been made of which nothing has shown but new parameters.

        Such a loop has neither asked for gradients nor predicted but under `torch.no_grad()`.
        """
        inline = MODEL not in self.conductor.calls
        return bool(self.queue or self.cuts) and (inline or bool(self.idle))

    @property
    def waits(self) -> bool:
        """Whether there is a batch that the loop has made no step on."""
        return self.conductor.cuts_itself or bool(self.queue)

    def loss(self, y_hat: Tensor, y: Tensor) -> None:
        """The loop computes a loss."""
        self.losses.append((y_hat, y))

    def batch(self) -> Batch | None:
        """The batch of the step that is being made."""
        if not self.conductor.cuts_itself:
            due = self._due()
            return self.queue[due[-1]][1] if due else self.last
        if self.cuts:
            return torch.cat([X for X, _ in self.cuts]), torch.cat([y for _, y in self.cuts])
        pairs = list(zip(self.forwards, (y for _, y in self.losses), strict=False))
        if not pairs:
            return self.last or self._whole()
        X, y = zip(*pairs, strict=True)
        return torch.cat(X), torch.cat(y)

    def _whole(self) -> Batch | None:
        """All rows as one batch, for a loop that takes none from them and calls no model."""
        conductor = self.conductor
        if MODEL in conductor.calls:
            return None
        return conductor.side.data.features, conductor.side.data.labels

    def _due(self) -> list[int]:
        """Which of the batches that wait belong to the step: all that have been asked for.

        Where an epoch was drawn ahead, they are those that the model was given, or the next.
        """
        waiting = range(len(self.queue))
        if not self.ahead:
            return list(waiting[:-1] if self.late and len(waiting) > 1 else waiting)
        used = [k for k in waiting if any(_within(X, self.queue[k][1][0]) for X in self.forwards)]
        inline = MODEL not in self.conductor.calls
        return used or list(waiting[: bool(inline or self.forwards)])

    @property
    def rows(self) -> int:
        """Rows of that batch."""
        batch = self.batch()
        return len(batch[0]) if batch else 1

    def replay(self) -> None:
        """Let the side see the batch, its predictions and its losses."""
        conductor, batch = self.conductor, self.batch()
        if conductor.cuts_itself and batch is not None:
            self._queue_cut(batch)
        due = self._due()
        taken = [self.queue[k] for k in due]
        if self.ahead and taken:
            taken[0] = (not self.begun, taken[0][1])
            self.begun, self.last = True, taken[-1][1]
        self._push(taken)
        self.queue = [entry for k, entry in enumerate(self.queue) if k not in due]
        self.forwards = self.forwards or self.idle
        self.trained.add(self.epoch)
        self._fill(batch)
        with torch.no_grad():
            for X in self.forwards:
                conductor.side.forward(X)
            for y_hat, y in self.losses:
                conductor.side.loss(y_hat, y)
        self.forwards, self.idle, self.losses, self.cuts, self.late = [], [], [], [], False

    def _queue_cut(self, batch: Batch) -> None:
        """A batch that the loop has cut itself; an epoch ends when it has had n rows."""
        n = self.conductor.side.case.n
        self.queue.append((self.cut % n == 0 or self.cut > n, batch))
        self.cut = self.cut % n + len(batch[0])
        self.conductor.habits.inlined.add("batch")
        self.last = batch

    def _push(self, entries: Sequence[tuple[bool, Batch]]) -> None:
        """Serve batches to the side."""
        for first, batch in entries:
            self.conductor.feed.batch = batch
            if first or self.stream is None:
                self.epoch += 1
                self.stream = iter(self.conductor.side.loader)
            next(self.stream)

    def _fill(self, batch: Batch | None) -> None:
        """What the loop computes itself, without calling a piece, is taken from the base."""
        calls, habits = self.conductor.calls, self.conductor.habits
        if batch is None or {MODEL, LOSS} <= calls:
            return
        X, y = batch
        if MODEL not in calls:
            habits.inlined.add("prediction")
            lengths = [len(y_hat) for y_hat, _ in self.losses]
            self.forwards = list(X.split(lengths if sum(lengths) == len(X) else len(X)))
        if LOSS not in calls:
            habits.inlined.add("loss")
            lengths = [len(part) for part in self.forwards]
            if sum(lengths) == len(y):
                model = self.conductor.side.model
                parts = zip(self.forwards, y.split(lengths), strict=True)
                with torch.no_grad():
                    self.losses = [(model.forward(part), labels) for part, labels in parts]

    def close(self) -> None:
        """Serve what the loop asked for after its last step."""
        if self.ahead and self.queue:
            self.queue[0] = (not self.begun, self.queue[0][1])
        self._push(self.queue)
        self.queue = []

    def abandon(self) -> None:
        """The loop has raised: serve the batch that it was at."""
        due = self._due() if self.forwards else range(len(self.queue))
        self._push([self.queue[k] for k in due])


def _within(part: Tensor, whole: Tensor) -> bool:
    """Whether rows are a batch, or cut from it."""
    return part.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
