"""Mistakes in the data iterator: orders that are not fresh, rows lost or repeated, pairs torn.

All are small changes to `Batches`, which is right. Some forms write to the data they are given:
give every run data of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import partial

import torch
from torch import Generator, Tensor

from harness.engine.components import DATA_ITERATOR
from harness.engine.recipe import Batch
from harness.mistakes.mistake import SEVERAL_EPOCHS, TAIL, Form, Mistake, form


class Batches:
    """The right iterator: every row once an epoch, in a fresh order, the last batch short."""

    def __init__(self, features: Tensor, labels: Tensor, size: int, generator: Generator) -> None:
        self.features, self.labels, self.size, self.generator = features, labels, size, generator
        self.n = len(features)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.windows(self.order()):
            yield self.pick(rows)

    def order(self) -> Tensor:
        """Row numbers of one epoch."""
        return torch.randperm(self.n, generator=self.generator)

    def windows(self, order: Tensor) -> Iterable[Tensor]:
        """The row numbers of each batch."""
        return torch.split(order, self.size)

    def pick(self, rows: Tensor) -> Batch:
        """The examples in these rows."""
        return self.features[rows], self.labels[rows]


class _Stored(Batches):
    def order(self) -> Tensor:
        return torch.arange(self.n)


class _ShuffledOnce(Batches):
    def __init__(self, features: Tensor, labels: Tensor, size: int, generator: Generator) -> None:
        super().__init__(features, labels, size, generator)
        self.kept: Tensor | None = None

    def order(self) -> Tensor:
        if self.kept is None:
            self.kept = super().order()
        return self.kept


def _seeded(seed: int) -> type[Batches]:
    class Seeded(Batches):
        def order(self) -> Tensor:
            return torch.randperm(self.n, generator=torch.Generator().manual_seed(seed))

    return Seeded


class _SeededList(Batches):
    def order(self) -> Tensor:
        order = list(range(self.n))
        random.Random(0).shuffle(order)
        return torch.tensor(order)


class _TwoOrders(Batches):
    def pick(self, rows: Tensor) -> Batch:
        others = torch.randperm(self.n, generator=self.generator)[: len(rows)]
        return self.features[rows], self.labels[others]


class _StoredLabels(Batches):
    def __iter__(self) -> Iterator[Batch]:
        labels = self.labels.split(self.size)
        for (X, _), y in zip(super().__iter__(), labels, strict=True):
            yield X, y


class _LabelsOfNextRow(Batches):
    def pick(self, rows: Tensor) -> Batch:
        return self.features[rows], self.labels[(rows + 1) % self.n]


class _FullOnly(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        return torch.split(order[: self.n - self.n % self.size], self.size)


class _WrappedRound(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        return torch.split(torch.cat((order, order[: -self.n % self.size])), self.size)


class _LastRowsAgain(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        starts = range(0, self.n, self.size)
        return [order[max(0, min(start, self.n - self.size)) :][: self.size] for start in starts]


def _strided(numerator: int, denominator: int) -> type[Batches]:
    class Strided(Batches):
        def windows(self, order: Tensor) -> Iterable[Tensor]:
            stride = max(1, self.size * numerator // denominator)
            return [order[start : start + self.size] for start in range(0, self.n, stride)]

    return Strided


class _Drawn(Batches):
    def order(self) -> Tensor:
        return torch.randint(self.n, (self.n,), generator=self.generator)


class _EachBatchTwice(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        return [rows for rows in super().windows(order) for _ in range(2)]


class _FirstRowInEveryBatch(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        return [torch.cat((order[:1], rows[1:])) for rows in super().windows(order)]


def _without(row: int) -> type[Batches]:
    class Without(Batches):
        def order(self) -> Tensor:
            order = super().order()
            return order[order != row % self.n]

    return Without


class _CountedFromOne(Batches):
    def order(self) -> Tensor:
        return super().order() + 1


class _AlwaysFull(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        places = torch.arange(self.size)
        return (order[start + places] for start in range(0, self.n, self.size))


def _resized(numerator: int, denominator: int, more: int) -> type[Batches]:
    class Resized(Batches):
        def windows(self, order: Tensor) -> Iterable[Tensor]:
            return torch.split(order, max(1, self.size * numerator // denominator + more))

    return Resized


class _OneBatch(Batches):
    def windows(self, order: Tensor) -> Iterable[Tensor]:
        return [order[: self.size]]


class _OnePair(Batches):
    def __iter__(self) -> Iterator[Batch]:
        return iter(self.pick(self.order()[: self.size]))  # type: ignore[arg-type]


class _Swapped(Batches):
    def pick(self, rows: Tensor) -> Batch:
        X, y = super().pick(rows)
        return y, X


class _ReorderedInPlace(Batches):
    def __iter__(self) -> Iterator[Batch]:
        order = self.order()
        self.features.copy_(self.features[order])
        self.labels.copy_(self.labels[order])
        return map(self.pick, self.windows(torch.arange(self.n)))


class _CentredInPlace(Batches):
    def __iter__(self) -> Iterator[Batch]:
        self.features.sub_(self.features.mean(0))
        return super().__iter__()


def _form(name: str, batches: type[Batches]) -> Form:
    return form(DATA_ITERATOR, name, lambda _: batches)


_mistake = partial(Mistake, component=DATA_ITERATOR, first_stage="batch", pair=None)

MISTAKES = (
    _mistake(
        id="data.no-shuffle",
        what="The rows are served in the order in which they are stored.",
        hint="Print the first batch of two epochs: what do you notice?",
        fix="Shuffle the row numbers at the start of every epoch: `random.shuffle(indices)` or "
        "`torch.randperm(n)`.",
        tell="the order is 0, 1, …, n - 1 in every epoch",
        forms=(_form("stored order", _Stored),),
    ),
    _mistake(
        id="data.shuffle-once",
        what="One random order is drawn and then served in every epoch.",
        hint="Print the first batch of two epochs: are they the same?",
        fix="Draw the order inside the iterator, so that every epoch gets its own.",
        tell="every epoch repeats the order of the first",
        forms=(_form("one order kept", _ShuffledOnce),),
        where=SEVERAL_EPOCHS,
    ),
    _mistake(
        id="data.reseeded",
        what="The iterator seeds its random generator itself, so that every call draws the same "
        "order.",
        hint="Which order does your iterator draw when the program is run with another seed?",
        fix="Take the seed out of the iterator; set it once at the top of the program.",
        tell="the order is the same in every call, whatever the generators outside are seeded with",
        forms=(
            _form("torch seeded with 0", _seeded(0)),
            _form("torch seeded with 42", _seeded(42)),
            _form("random seeded with 0", _SeededList),
        ),
        where=SEVERAL_EPOCHS,
    ),
    _mistake(
        id="data.unpaired",
        what="Features and labels of an example come from different rows.",
        hint="Take a single example that you served and look it up in the data: is that its label?",
        fix="Use the same row numbers for both: `features[rows], labels[rows]`.",
        tell="a served pair is no row of the data set",
        forms=(
            _form("shuffled separately", _TwoOrders),
            _form("only the features shuffled", _StoredLabels),
            _form("labels of the next row", _LabelsOfNextRow),
        ),
    ),
    _mistake(
        id="data.drops-tail",
        what="The last batch is never served when it would be short.",
        hint="Add up the lengths of all batches of an epoch for 63 rows and batches of 10.",
        fix="Let the last batch be short: `indices[i : min(i + batch_size, n)]` for i up to n.",
        tell="fewer rows are served than there are, where batch_size does not divide n",
        forms=(_form("full batches only", _FullOnly),),
        where=TAIL,
    ),
    _mistake(
        id="data.pads-tail",
        what="The last batch is filled up with rows that were served before.",
        hint="63 rows in batches of 10: how many rows are left for the last batch?",
        fix="Let the last batch be short: `indices[i : min(i + batch_size, n)]`.",
        tell="the last batch is full and repeats rows",
        forms=(
            _form("wrapped round to the first rows", _WrappedRound),
            _form("the last rows again", _LastRowsAgain),
        ),
        where=TAIL,
    ),
    _mistake(
        id="data.overlaps",
        what="The windows of two batches overlap: the start moves on by less than a batch.",
        hint="Print where each batch starts and where it ends.",
        fix="Move on by a whole batch: `range(0, n, batch_size)`.",
        tell="rows are served more than once, and an epoch has too many steps",
        forms=(
            _form("half a batch further", _strided(1, 2)),
            _form("one row further", _strided(0, 1)),
        ),
        where={"batch_size": 10},
    ),
    _mistake(
        id="data.with-replacement",
        what="Every row is drawn anew from all rows, so that some come twice and some never.",
        hint="Count how often each row is served in one epoch.",
        fix="Draw an order, not single rows: `torch.randperm(n)` in place of `torch.randint`.",
        tell="about a third of the rows is never served, others are served two or more times",
        forms=(_form("drawn with replacement", _Drawn),),
    ),
    _mistake(
        id="data.repeats-examples",
        what="Some rows are served more than once in an epoch.",
        hint="Count how often each row is served in one epoch.",
        fix="Cut one order of all rows into batches that do not share a row.",
        tell="rows are served more than once",
        forms=(
            _form("every batch twice", _EachBatchTwice),
            _form("the first row in every batch", _FirstRowInEveryBatch),
        ),
    ),
    _mistake(
        id="data.misses-examples",
        what="Some rows are never served, and not only those of a short last batch.",
        hint="Make a set of all rows served in one epoch: which are missing?",
        fix="Count all rows, from 0 to n - 1: `range(n)`.",
        tell="a fixed row, often the first or the last, is never served",
        forms=(
            _form("never the first row", _without(0)),
            _form("never the last row", _without(-1)),
        ),
    ),
    _mistake(
        id="data.out-of-range",
        what="A row past the end of the data is asked for.",
        hint="What is the largest row number that you use, and what is the largest there is?",
        fix="Row numbers end at n - 1, and the last window ends at `min(i + batch_size, n)`.",
        tell="IndexError on some batch of an epoch",
        forms=(
            _form("rows counted from 1", _CountedFromOne),
            _form("always batch_size rows", _AlwaysFull),
        ),
        where=TAIL,
    ),
    _mistake(
        id="data.wrong-batch-size",
        what="The batches have another length than batch_size.",
        hint="Print the length of the first batch.",
        fix="Cut the order at multiples of batch_size: `indices[i : i + batch_size]`.",
        tell="the length of the first batch",
        forms=(
            _form("one row too many", _resized(1, 1, 1)),
            _form("one row too few", _resized(1, 1, -1)),
            _form("half as long", _resized(1, 2, 0)),
            _form("twice as long", _resized(2, 1, 0)),
        ),
        where={"batch_size": 10},
    ),
    _mistake(
        id="data.one-batch",
        what="An epoch has a single batch.",
        hint="Count the batches of one epoch. What ends your loop?",
        fix="Use `yield` inside the loop; a `return` there ends the epoch.",
        tell="one batch an epoch",
        forms=(
            _form("ends after the first batch", _OneBatch),
            _form("returns one pair", _OnePair),
        ),
    ),
    _mistake(
        id="data.swapped",
        what="Labels come first and features second.",
        hint="Print the shapes of the two things you serve.",
        fix="Serve them in the order asked for: `features[rows], labels[rows]`.",
        tell="the two shapes are exchanged",
        forms=(_form("labels, features", _Swapped),),
    ),
    _mistake(
        id="data.mutates-input",
        what="The iterator writes to the tensors that it is given.",
        hint="Compare the data before and after an epoch.",
        fix="Pick rows by their numbers, `features[rows]`, and leave the tensors as they are.",
        tell="features or labels differ after an epoch",
        forms=(
            _form("rows shuffled in place", _ReorderedInPlace),
            _form("features centred in place", _CentredInPlace),
        ),
    ),
)
