"""Facts that give a mistake away where numbers cannot: random orders, fresh parameters, families.

An order is drawn at random, so no two iterators serve the same; what tells them apart is which rows
come how often, in what lengths, and whether orders repeat. Each rule states one row of the
catalogue and holds for nothing else; where no rule holds, nothing is said.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, singledispatch
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from harness.diagnosis.loop_rules import told_loop
from harness.diagnosis.measure import TIGHT, ratios
from harness.engine.case import Data
from harness.engine.components import (
    Component,
    ComponentVerdict,
    DataIterator,
    Drawn,
    ForcedReply,
    Initialisation,
    Loop,
    Loss,
    Model,
    Question,
    Run,
    Served,
)
from harness.engine.components.initialisation import DEVIATION
from harness.engine.recipe import Batch, Recipe
from harness.engine.rows import RowIndex

Told = Iterator[tuple[str, str]]
Verdicts = Sequence[ComponentVerdict]


@singledispatch
def told(
    component: Component[Any],
    replies: Sequence[tuple[Question, Any]],
    verdicts: Verdicts,
    reference: Recipe,
) -> Told:
    """The ids that the facts of these replies give away, each with its evidence."""
    del component, replies, verdicts, reference
    yield from ()


# The data iterator.


@dataclass(frozen=True)
class Serving:
    """What one question shows of an iterator, in rows of the data set."""

    question: Question
    served: Served

    @cached_property
    def index(self) -> RowIndex:
        """Finds served rows."""
        return RowIndex(self.question.data)

    @cached_property
    def rows(self) -> list[list[Tensor]]:
        """By epoch and batch: the index of each row, -1 where there is none."""
        return [[self._find(batch) for batch in epoch] for epoch in self.served.epochs]

    def _find(self, batch: Batch) -> Tensor:
        X, y = batch
        if X.ndim != 2 or y.numel() != len(X):
            return torch.full((max(1, X.shape[0] if X.ndim else 1),), -1)
        return self.index.find(X, y.reshape(-1))

    @property
    def orders(self) -> list[list[int]]:
        """By epoch: all rows in the order in which they came."""
        return [torch.cat(epoch).tolist() if epoch else [] for epoch in self.rows]

    @property
    def lengths(self) -> list[list[int]]:
        """By epoch: the rows of each batch."""
        return [[len(batch) for batch in epoch] for epoch in self.rows]

    @property
    def all_from_data(self) -> bool:
        """Whether every row served is one of the data set."""
        return all(row >= 0 for order in self.orders for row in order)

    @property
    def twice(self) -> list[set[int]]:
        """By epoch: rows that came more than once."""
        return [{row for row in order if order.count(row) > 1} for order in self.orders]

    @property
    def never(self) -> list[set[int]]:
        """By epoch: rows that did not come."""
        return [set(range(self.question.case.n)) - set(order) for order in self.orders]

    @property
    def right(self) -> list[int]:
        """The lengths that the batches of an epoch should have."""
        n, size = self.question.case.n, self.question.case.batch_size
        return [min(size, n - start) for start in range(0, n, size)]

    @property
    def tail(self) -> int:
        """Rows of the last, short batch; 0 where the batch size divides n."""
        return self.question.case.n % self.question.case.batch_size


@told.register
def _told_data(
    _component: DataIterator,
    replies: Sequence[tuple[Question, Served]],
    _verdicts: Verdicts,
    _reference: Recipe,
) -> Told:
    servings = [Serving(question, served) for question, served in replies]
    for rule in (_raised, _mutated, _swapped, _unpaired, _counted):
        clues = list(rule(servings))
        if clues:
            yield from clues
            return


# other uses of IndexError: a float as an index, too many of them, a dimension that is not there
_PAST_THE_END = re.compile(r"\bindex\b.*\bout of (range|bounds)\b", re.IGNORECASE)


def _raised(servings: list[Serving]) -> Told:
    for serving in servings:
        raised = serving.served.raised
        if raised and raised.kind == "IndexError" and _PAST_THE_END.search(raised.message):
            yield (
                "data.out-of-range",
                f"raises IndexError in epoch {raised.epoch}: {raised.message}",
            )
            return


def _mutated(servings: list[Serving]) -> Told:
    for serving in servings:
        data, served = serving.question.data, serving.served
        for name, left in (("features", served.features), ("labels", served.labels)):
            changed = int((left != getattr(data, name)).reshape(len(left), -1).any(1).sum())
            if changed:
                yield "data.mutates-input", f"{changed} rows of the caller's {name} were changed"
                return


def _swapped(servings: list[Serving]) -> Told:
    """Told where there is more than one feature, so that the shapes differ."""
    for serving in servings:
        data = serving.question.data
        shapes = {(X.shape[1:], y.shape[1:]) for epoch in serving.served.epochs for X, y in epoch}
        exchanged = (data.labels.shape[1:], data.features.shape[1:])
        if data.features.shape[1] > 1 and shapes == {exchanged}:
            yield "data.swapped", f"serves labels {tuple(exchanged[0])} where features should be"
            return


def _unpaired(servings: list[Serving]) -> Told:
    """Features are rows of the data, labels are labels of the data, but of other rows."""
    serving = servings[0]
    batches = [batch for epoch in serving.served.epochs for batch in epoch]
    data = serving.question.data
    if serving.all_from_data or not all(_like_rows(data, *batch) for batch in batches):
        return
    X = torch.cat([X for X, _ in batches])
    y = torch.cat([y.reshape(-1) for _, y in batches])
    known = (X[:, None] == data.features[None]).all(2).any(1) & (
        y[:, None] == data.labels.reshape(1, -1)
    ).any(1)
    if bool(known.all()):
        apart = int((torch.cat([torch.cat(e) for e in serving.rows]) < 0).sum())
        yield "data.unpaired", f"{apart} of {len(X)} served features have another row's label"


def _like_rows(data: Data, X: Tensor, y: Tensor) -> bool:
    """Whether a batch could be rows of the data, by its shapes and dtypes."""
    return (
        X.shape[1:] == data.features.shape[1:]
        and X.shape[:1] == (y.numel(),)
        and (X.dtype, y.dtype) == (data.features.dtype, data.labels.dtype)
    )


def _counted(servings: list[Serving]) -> Told:
    """Which rows come how often, in which lengths; then in which order."""
    servings = [serving for serving in servings if not serving.served.raised]
    served = bool(servings) and any(servings[0].orders)
    if not served or not all(serving.all_from_data for serving in servings):
        return
    first = servings[0]
    for rule in (_one_batch, _lengths, _tail, _overlaps, _repeats, _misses):
        clues = list(rule(servings))
        if clues:
            yield from clues
            return
    if not any(first.twice) and not any(first.never):
        yield from _order(first)


def _one_batch(servings: list[Serving]) -> Told:
    first = servings[0]
    if all(len(epoch) == 1 for epoch in first.lengths) and all(first.never):
        count = len(first.right)
        yield "data.one-batch", f"serves 1 batch an epoch instead of {count}"


def _lengths(servings: list[Serving]) -> Told:
    """Batches of another length than asked, which yet serve every row once, or but for a tail."""
    first = servings[0]
    size = first.question.case.batch_size
    lengths = {epoch[0] for epoch in first.lengths if epoch}
    got = min(lengths, default=size)
    if len(lengths) == 1 and got != size and not any(first.twice):
        yield "data.wrong-batch-size", f"the first batch has {got} rows instead of {size}"
    elif not any(any(s.twice) or any(s.never) for s in servings):
        other = [s.lengths[0] for s in servings if s.lengths[0] != s.right]
        for lengths_there in other[:1]:
            shown = ", ".join(map(str, lengths_there))
            yield "data.wrong-batch-size", f"the batches have {shown} rows"


def _tail(servings: list[Serving]) -> Told:
    """Everything is right but for the last, short batch."""
    first = servings[0]
    full = first.right[:-1]
    size = first.question.case.batch_size
    whole = [s for s in servings if not s.tail]
    if any(any(s.twice) or any(s.never) or s.lengths[0] != s.right for s in whole):
        return
    if all(epoch == full for epoch in first.lengths) and not any(first.twice):
        yield "data.drops-tail", f"serves {sum(full)} of {first.question.case.n} rows"
    elif all(epoch == [*full, size] for epoch in first.lengths) and not any(first.never):
        again = len(first.twice[0])
        yield "data.pads-tail", f"the last batch has {size} rows, {again} of which came before"


def _overlaps(servings: list[Serving]) -> Told:
    """Every batch begins with the end of the one before it."""
    for serving in servings[:2]:
        for epoch in serving.rows:
            shared = {_shared(a, b) for a, b in pairwise(epoch) if len(a) > 1}
            if len(epoch) < 3 or not shared or 0 in shared:
                return
    size = servings[0].question.case.batch_size
    yield "data.overlaps", f"batches of {size} rows begin with rows that ended the one before"


def _shared(earlier: Tensor, later: Tensor) -> int:
    """How many rows at the end of a batch are those at the start of the next."""
    for step in range(1, len(earlier)):
        rest = earlier[step:]
        if len(later) <= len(rest):
            rest = rest[: len(later)]
        if torch.equal(later[: len(rest)], rest):
            return len(rest)
    return 0


def _repeats(servings: list[Serving]) -> Told:
    first = servings[0]
    if not any(first.twice):
        return
    epoch = next(e for e, rows in enumerate(first.twice) if rows)
    twice, never = len(first.twice[epoch]), len(first.never[epoch])
    if any(first.never) and len(set(map(tuple, first.orders))) > 1 and _as_by_chance(first):
        yield "data.with-replacement", f"{twice} rows come twice or more and {never} never"
    else:
        yield "data.repeats-examples", f"{twice} rows come more than once in epoch {epoch}"


def _as_by_chance(serving: Serving) -> bool:
    """Whether as many different rows came as independent draws give, within 4 deviations.

    Mean and variance of the number of occupied cells: Feller, An Introduction to Probability
    Theory and Its Applications, volume 1, chapter IX.
    """
    n = serving.question.case.n
    different, mean, variance = 0, 0.0, 0.0
    for order in serving.orders:
        one, two = (1 - 1 / n) ** len(order), (1 - 2 / n) ** len(order)
        different += len(set(order))
        mean += n * (1 - one)
        variance += n * (one - one**2) + n * (n - 1) * (two - one**2)
    return abs(different - mean) <= 4 * math.sqrt(max(variance, 0.0))


def _misses(servings: list[Serving]) -> Told:
    """Rows that are not served, none of them twice, and not because the tail was dropped."""
    first = servings[0]
    if not all(first.never) or any(first.twice):
        return
    always = sorted(set.intersection(*first.never))
    said = f"row {', '.join(map(str, always[:3]))} is never served"
    count = len(first.never[0])
    yield "data.misses-examples", said if always else f"{count} rows of an epoch are not served"


def _order(serving: Serving) -> Told:
    """Every row comes once: what may be wrong is the order."""
    orders = serving.orders
    stored = list(range(serving.question.case.n))
    if all(order == stored for order in orders):
        yield "data.no-shuffle", f"the order is 0 to {len(stored) - 1} in all {len(orders)} epochs"
    elif all(order == orders[0] for order in orders):
        if serving.served.repeats_itself:
            yield "data.reseeded", "the order is the same in every call, whatever the seed"
            if not serving.served.fresh:
                yield "data.shuffle-once", "an order kept from an earlier call looks the same here"
        else:
            yield "data.shuffle-once", f"epochs 1 to {len(orders) - 1} repeat the order of epoch 0"


# The initial parameters.


@told.register
def _told_init(
    _component: Initialisation,
    replies: Sequence[tuple[Question, Drawn]],
    verdicts: Verdicts,
    _reference: Recipe,
) -> Told:
    for (question, drawn), verdict in zip(replies, verdicts, strict=True):
        if not drawn.shapes or verdict.passed:
            continue
        if any(dtype != question.case.dtype for dtype in drawn.dtypes):
            yield "init.dtype", f"w is {drawn.dtypes[0]} and b is {drawn.dtypes[1]}"
        elif not all(drawn.requires_grad):
            without = " and ".join(
                name
                for name, requires in zip("wb", drawn.requires_grad, strict=True)
                if not requires
            )
            yield "init.no-grad", f"{without} does not require gradients"
        elif not all(drawn.is_leaf):
            yield "init.non-leaf", "a parameter is computed from the tensor that requires gradients"
        elif not bool(drawn.weights.isfinite().all() and drawn.biases.isfinite().all()):
            return
        elif verdict.first and verdict.first.what == DEVIATION:
            yield (
                "init.scale",
                f"the weights' standard deviation is {float(drawn.weights.std()):.3g}",
            )
        elif bool((drawn.biases != 0).any()):
            yield "init.constant-bias", f"the initial bias is {float(drawn.biases[0]):.3g}"
        return


# Families of mistakes with a number of their own, and exceptions.


@told.register
def _told_loss(
    component: Loss,
    replies: Sequence[tuple[Question, ForcedReply]],
    _verdicts: Verdicts,
    reference: Recipe,
) -> Told:
    """A sum divided by a fixed whole number: the ratio to the right loss depends on the rows alone.

    A loss per example is not summed up here: there the ratio is the same for all rows.
    """
    ratio_by_rows = [ratio for pair in replies for ratio in ratios(component, *pair, reference)]
    whole = 2 * sum(len(question.stacks) for question, _ in replies)  # the loss, and its slope
    if (
        not ratio_by_rows
        or len(ratio_by_rows) < whole
        or not all(component.steady(*pair) for pair in replies)
    ):
        return
    per_row = reference.convention.reduction == "none"
    divisors = [(1 if per_row else rows) / ratio if ratio else 0.0 for rows, ratio in ratio_by_rows]
    number = round(divisors[0])
    if number > 2 and all(abs(divisor - number) <= TIGHT * number for divisor in divisors):
        yield "loss.divided-by-constant", f"the sum is divided by {number}, whatever the rows"


@told.register
def _told_model(
    _component: Model,
    _replies: Sequence[tuple[Question, ForcedReply]],
    verdicts: Verdicts,
    _reference: Recipe,
) -> Told:
    """An exception that no other mistake raises; where there is none, everything is right."""
    raised = [verdict.raised for verdict in verdicts if verdict.raised]
    if raised and all(verdict.raised or verdict.passed for verdict in verdicts):
        first = raised[0]
        yield "model.raises", f"raises {first.kind}: {first.message}"


# The loop has a record of its own: `loop_rules`.


@told.register
def _told_loop(
    _component: Loop,
    replies: Sequence[tuple[Question, Run]],
    _verdicts: Verdicts,
    reference: Recipe,
) -> Told:
    return told_loop(replies, reference.convention)
