"""The batch stage: whether what was served are rows of the data set, each once an epoch.

The order is observed, not prescribed: any fresh random order is right, whatever drew it. Where the
subject serves the reference's own batches bit for bit, nothing has to be looked up. Values other
than the served rows are judged elsewhere (`stage`).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from harness.engine.case import Case, Data, bits_of
from harness.engine.lockstep import Ending, PairedChunks
from harness.engine.recipe import Batch, Recipe
from harness.engine.stage import Divergence, Level

# An order is only called repeated where chance would do it in fewer runs than one in this many.
CHANCE = 1e6


class RowIndex:
    """Finds the rows of a data set by their bits, in bulk: features and label together.

    Rows that are equal to the bit cannot be told apart; they count as the first of them.
    """

    def __init__(self, data: Data) -> None:
        self._shape, self._dtypes = (
            data.features.shape[1:],
            (data.features.dtype, data.labels.dtype),
        )
        self.X, self.y = _flat(data.features), _flat(data.labels)
        generator = torch.Generator().manual_seed(1)
        width = self.X.shape[1] + self.y.shape[1]
        self._weights = (torch.randint(-(2**62), 2**62, (width,), generator=generator) | 1).to(
            self.X.device
        )
        keys, self._order = self._keys(self.X, self.y).sort(stable=True)
        self._sorted = keys
        firsts = torch.searchsorted(keys, keys)
        self.copies = torch.bincount(self._order[firsts], minlength=len(keys))

    def orders(self) -> float:
        """Logarithm of how many orders of the rows can be told apart."""
        copies = self.copies.double()
        return float(torch.lgamma(copies.sum() + 1) - torch.lgamma(copies + 1).sum())

    def _keys(self, X: Tensor, y: Tensor) -> Tensor:
        columns = [*X.unbind(1), *y.unbind(1)]
        key = torch.zeros(len(X), dtype=torch.int64, device=X.device)
        for weight, column in zip(self._weights, columns, strict=True):
            key += weight * bits_of(column).long()  # not long: the product would be narrowed
        return key

    def find(self, X: Tensor, y: Tensor) -> Tensor:
        """Index of each served row (r, ...) with its label; -1 where there is no such row."""
        if (X.dtype, y.dtype) != self._dtypes or X.shape[1:] != self._shape:
            return torch.full((len(X),), -1, device=X.device)
        X, y = _flat(X), _flat(y)
        at = torch.searchsorted(self._sorted, self._keys(X, y)).clamp_(max=len(self.X) - 1)
        rows = self._order[at]
        same = (bits_of(self.X[rows]) == bits_of(X)).all(1)
        same &= (bits_of(self.y[rows]) == bits_of(y)).all(1)
        return torch.where(same, rows, -1)


class RowJudge:
    """Judges the batch stage of a run, chunk by chunk."""

    def __init__(self, case: Case, data: Data, reference: Recipe) -> None:
        self.case, self.data, self.reference = case, data, reference
        self.first: Divergence | None = None
        self.reproduced = True
        self.shuffled = True  # whether the rows have to be
        self.steps = 0
        self._index: RowIndex | None = None
        self._epoch = -1
        self._place = (-1, -1)
        self._served = torch.empty(0)
        self._position = 0
        self._orders: list[int] = []
        self._fingerprint = 0

    def add(self, pair: PairedChunks) -> None:
        """Look at the batches of one chunk."""
        self.steps += len(pair.subject)
        if self.reproduced and pair.reproduced:
            self._place = pair.subject.places[-1]
            return
        if self.reproduced:
            self.reproduced = False
            self._index = RowIndex(self.data)
            self._catch_up(*pair.subject.places[0])
        chunk = pair.subject
        steps = zip(chunk.places, chunk.batches(), pair.own_lengths, strict=True)
        for place, batch, length in steps:
            if place != self._place:  # a second update on the same batch serves nothing
                self._look(*place, batch, length)
            self._place = place

    def judge_served(self, epochs: list[list[Batch]]) -> None:
        """Look at whole epochs that were served outside of any training."""
        self.reproduced = False
        self._index = RowIndex(self.data)
        size, n = self.case.batch_size, self.case.n
        for epoch, batches in enumerate(epochs):
            lengths = [max(0, min(size, n - step * size)) for step in range(len(batches))]
            if self._look_at_once(epoch, batches, lengths):
                self.steps += len(batches)
                continue
            for step, (batch, length) in enumerate(zip(batches, lengths, strict=True)):
                self.steps += 1
                if not self._shaped_like_rows(batch):
                    shapes = " and ".join(str(tuple(part.shape)) for part in batch)
                    self.diverge(
                        epoch, step, f"has shapes {shapes}, which are not rows of the data"
                    )
                    return
                self._look(epoch, step, batch, length)
        whole = [math.ceil(n / size)] * self.case.epochs
        self.end(Ending([len(batches) for batches in epochs], whole, generators_agree=False))

    def _look_at_once(self, epoch: int, batches: list[Batch], lengths: list[int]) -> bool:
        """Look at a whole epoch in bulk; False, and nothing done, where anything may be amiss."""
        assert self._index is not None
        like = (self.data.features.dtype, self.data.labels.dtype)
        if not batches or not all(
            self._shaped_like_rows((X, y)) and (X.dtype, y.dtype) == like and len(X) == len(y) == m
            for (X, y), m in zip(batches, lengths, strict=True)
        ):
            return False
        X, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
        rows = self._index.find(X, y)
        if bool((rows < 0).any()):
            return False
        served = torch.bincount(rows, minlength=self.case.n)
        if bool((served > self._index.copies)[rows].any()):
            return False
        self._begin(epoch)
        self._served, self._position = served, len(rows)
        self._fingerprint = _order_of(rows, torch.arange(len(rows), device=rows.device))
        return True

    def _shaped_like_rows(self, batch: Batch) -> bool:
        """Whether features and labels have the shapes of the data's own rows."""
        return all(
            part.ndim == whole.ndim and part.shape[1:] == whole.shape[1:]
            for part, whole in zip(batch, (self.data.features, self.data.labels), strict=True)
        )

    def diverge(self, epoch: int, step: int, text: str) -> None:
        """Note the first divergence; later ones are consequences."""
        if self.first is None:
            self.first = Divergence("batch", epoch, step, text=text)

    def _catch_up(self, epoch: int, index: int) -> None:
        """Count the rows that were served while both sides still served the same."""
        side = self.reference.build(self.case, self.data)
        for past in range(epoch + 1):
            for at, batch in enumerate(side.loader):
                if past == epoch and at >= index:
                    return
                self._look(past, at, batch, len(batch[0]))

    def _look(self, epoch: int, step: int, batch: Batch, length: int) -> None:
        if epoch != self._epoch:
            self._begin(epoch)
        X, y = batch
        if len(X) != length:
            self.diverge(epoch, step, f"has {_rows(len(X))}, but should have {length}")
        assert self._index is not None
        labels = self.data.labels[0].numel()
        if X.ndim != self.data.features.ndim or y.numel() != len(X) * labels:
            self.diverge(epoch, step, f"has features {tuple(X.shape)}, labels {tuple(y.shape)}")
            return
        rows = self._index.find(X, y)
        strange = (rows < 0).nonzero()
        if len(strange):
            self.diverge(
                epoch,
                step,
                f"row {int(strange[0])} is no row of the data set: features and label must be "
                "served unchanged and together",
            )
            return
        self._served.index_add_(0, rows, torch.ones_like(rows))
        again = (self._served[rows] > self._index.copies[rows]).nonzero()
        if len(again):
            self.diverge(
                epoch, step, f"serves row {int(rows[again[0]])} of the data set once too often"
            )
        place = torch.arange(self._position, self._position + len(rows), device=rows.device)
        self._position += len(rows)
        self._fingerprint = (self._fingerprint + _order_of(rows, place)) % 2**64

    def _begin(self, epoch: int) -> None:
        self._close_epoch()
        self._epoch, self._position, self._fingerprint = epoch, 0, 0
        self._served = torch.zeros(self.case.n, dtype=torch.int64, device=self.data.features.device)

    def _close_epoch(self) -> None:
        """What only a whole epoch shows: rows never served, an order that is not fresh."""
        if self._epoch < 0 or self._index is None:
            return
        last = max(0, math.ceil(self.case.n / self.case.batch_size) - 1)
        missing = (self._served < self._index.copies).nonzero()
        if len(missing):
            self.diverge(
                self._epoch,
                last,
                f"ends the epoch after {_rows(self._position)} of {self.case.n}; row "
                f"{int(missing[0])} of the data set was not served",
            )
        pairs = self.case.epochs * (self.case.epochs + 1) / 2  # of all orders and the stored one
        if self.shuffled and self._index.orders() > math.log(CHANCE * pairs):
            self._judge_order(self._index, last)
        self._orders.append(self._fingerprint)

    def _judge_order(self, index: RowIndex, last: int) -> None:
        rows = index.find(self.data.features, self.data.labels)
        if self._fingerprint == _order_of(rows, torch.arange(len(rows), device=rows.device)):
            self.diverge(self._epoch, last, "serves the rows in stored order, but should shuffle")
        if self._fingerprint in self._orders:
            earlier = self._orders.index(self._fingerprint)
            self.diverge(
                self._epoch, last, f"repeats the order of epoch {earlier}, but should shuffle anew"
            )

    def end(self, ending: Ending) -> None:
        """Judge the last epoch and the number of batches in each."""
        self._close_epoch()
        self.reproduced &= ending.generators_agree
        pairs = zip(ending.subject_epochs, ending.reference_epochs, strict=False)
        for epoch, (mine, theirs) in enumerate(pairs):
            if mine != theirs:
                self.diverge(
                    epoch,
                    min(mine, theirs),
                    f"comes after {mine} of {theirs} batches of the epoch"
                    if mine > theirs
                    else f"is missing: the epoch ends after {mine} of {theirs} batches",
                )
        mine_epochs, their_epochs = len(ending.subject_epochs), len(ending.reference_epochs)
        if mine_epochs != their_epochs:
            self.diverge(
                min(mine_epochs, their_epochs),
                0,
                f"makes {mine_epochs} epochs of {their_epochs}",
            )

    @property
    def level(self) -> Level:
        """Identical where every row was right, whatever the order."""
        if self.first:
            return "different"
        return "identical" if self.steps else "inconclusive"

    def to_dict(self) -> dict[str, object]:
        """Plain values, as in the report."""
        return {
            "level": self.level,
            "first_divergence": self.first.to_dict() if self.first else None,
            "max_gap": 0.0,
            "allowed": 0.0,
            "max_gap_ulps": None,
            "allowed_ulps": None,
            "steps": self.steps,
        }


def _flat(values: Tensor) -> Tensor:
    """One line of numbers a row."""
    return values.flatten(1) if values.ndim > 1 else values.unsqueeze(1)


def _order_of(rows: Tensor, place: Tensor) -> int:
    """A fingerprint of which rows came at which places; those of parts of an epoch add up.

    The weights of the places are scrambled (Steele, Lea and Flood's SplitMix, shortened): with
    weights in even steps, any two orders with the same sum of row · place would look alike.
    """
    weights = place * 0x1E3779B97F4A7C15 + 0x2545F4914F6CDD1D
    for multiplier in (0x3F58476D1CE4E5B9, 0x14D049BB133111EB):
        weights = (weights ^ (weights >> 30)) * multiplier
    return int(((rows + 1) * weights).sum()) % 2**64


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"
