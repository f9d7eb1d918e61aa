"""The batches that a learner's loop goes through, served or cut by itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from harness.engine.recipe import Batch

if TYPE_CHECKING:
    from harness.answers.conductor import Conductor


class Cuts(TorchFunctionMode):
    """Sees the rows that a loop cuts from features and labels and hands to no piece."""

    def __init__(self, conductor: Conductor) -> None:
        super().__init__()
        self.conductor = conductor
        values = conductor.values
        self.features, self.labels = values["features"], values["labels"]
        self.X: Tensor | None = None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run the function, and keep what it picks out of the data."""
        result = func(*args, **(kwargs or {}))
        if func in (Tensor.__getitem__, Tensor.index_select, torch.index_select) and args:
            if args[0] is self.features:
                self.conductor.settle()
                self.X = result
            elif args[0] is self.labels and self.X is not None and len(self.X) == len(result):
                record = self.conductor.record
                cut = (self.conductor.manner.canonical(self.X), result)
                record.cuts = [*(record.cuts if self.conductor.pending else []), cut]
                self.X = None
        return result


class Loader:
    """The side's batches, as the loop goes through them: once, or anew each time.

    `part` are those of a list that the loop has cut out of it.
    """

    def __init__(
        self, conductor: Conductor, *, once: bool, part: Sequence[Batch] | None = None
    ) -> None:
        self.conductor, self.once, self.part = conductor, once, part
        self.drawn: list[Batch] | None = None
        self.epoch: Iterator[Batch] | None = None
        self.at = -1

    def __len__(self) -> int:
        case = self.conductor.side.case
        return math.ceil(case.n / case.batch_size) if self.part is None else len(self.part)

    def __iter__(self) -> Iterator[Batch]:
        return self if self.once else self._served()

    def __next__(self) -> Batch:
        if self.epoch is None:
            self.epoch = self._served()
        return next(self.epoch)

    @overload
    def __getitem__(self, index: slice) -> Loader: ...
    @overload
    def __getitem__(self, index: int) -> Batch: ...
    def __getitem__(self, index: int | slice) -> Batch | Loader:
        """For loops that number the batches of a list, one after the other, or take some."""
        if isinstance(index, slice):
            if self.drawn is None:
                self.drawn = list(self._drawn())
            return Loader(self.conductor, once=False, part=self.drawn[index])
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        if index != self.at:
            if index == 0:
                self.epoch = self._served()
            self.at, self.current = index, next(self)
        return self.current

    def _drawn(self) -> Iterator[Batch]:
        """The batches of the next epoch."""
        if self.part is not None:
            return iter(self.part)
        drawn, self.drawn = self.drawn, None
        return self.conductor.feed.epoch() if drawn is None else iter(drawn)

    def _served(self) -> Iterator[Batch]:
        conductor, manner = self.conductor, self.conductor.manner
        first, batches = True, self._drawn()
        while True:
            conductor.settle()
            batch = next(batches, None)
            if batch is None:
                return
            conductor.record.serve(batch, first=first)
            first = False
            yield manner.features(batch[0]), manner.labels(batch[1])
