"""The data iterator: a data set to the batches of an epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor

from harness.engine.case import Case
from harness.engine.components.component import Component, ComponentVerdict, Question
from harness.engine.components.role import Role
from harness.engine.raised import Raised
from harness.engine.recipe import Batch, Recipe
from harness.engine.rows import CHANCE, RowJudge
from harness.engine.seeding import seed_all
from harness.engine.stage import Divergence, Level


@dataclass(frozen=True)
class Served:
    """The batches of some epochs, in the order of the calls, and the data they left behind.

    `other` is an epoch served when the generators had another seed, in a `fresh` process perhaps,
    where nothing was kept from earlier calls; `raised` names its place.
    """

    epochs: list[list[Batch]]
    other: list[list[Batch]]
    features: Tensor
    labels: Tensor
    raised: Raised | None
    endless: bool
    fresh: bool = False

    @property
    def repeats_itself(self) -> bool:
        """Whether the first epoch is the same whatever the generators are seeded with."""
        first, reseeded = (epochs[0] if epochs else [] for epochs in (self.epochs, self.other))
        if not first or len(first) != len(reseeded):
            return False
        return all(torch.equal(a, b) for (a, _), (b, _) in zip(first, reseeded, strict=True))

    def afresh(self, other: Served) -> Served:
        """With what was served in another process, where nothing was kept from earlier calls."""
        return replace(self, other=other.epochs[:1], fresh=True)


class DataIterator(Component[Served]):
    """What serves every row once an epoch, in a fresh random order."""

    name = "data_iter"
    piece = "batches"
    heading = "The data iterator: `data_iter`"
    roles = (
        Role(
            (
                *("data_iter", "data_iterator", "get_batches", "batch_iter", "minibatches"),
                *("batches", "iterate_minibatches", "data_loader", "dataloader", "get_data"),
                *("batch_generator",),
            ),
            r"batch|iter|loader",
            ("batch_size", "features", "labels"),
            ("data", "num_examples"),
        ),
    )
    handed_as: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "batches": (
            *("data_iter", "batches", "batch_iter", "iterator", "get_batches", "dataloader"),
        ),
        "loader": ("loader", "train_loader", "train_iter", "data_loader", "train_dataloader"),
        "data_module": (),
    }
    replaces = ("data",)
    reply_type = Served

    # How it is asked.

    def reply(self, recipe: Recipe, question: Question, seed: int) -> Served:
        """The case's epochs, and another one under another seed."""
        case, data = replace(question.case, seed=seed), question.data
        features, labels = data.features.clone(), data.labels.clone()
        most = 2 * -(-case.n // case.batch_size) + case.n
        epochs, raised, endless = _epochs(recipe, case, features, labels, most, case.epochs)
        seed_all(seed + 1)
        other_case = replace(case, seed=seed + 1)
        copies = data.features.clone(), data.labels.clone()
        other, *_ = _epochs(recipe, other_case, *copies, most, 1)
        return Served(epochs, other, features, labels, raised, endless)

    # What a reply comes to.

    def judge(
        self, question: Question, reply: Served, subject: Recipe, reference: Recipe
    ) -> ComponentVerdict:
        """Every row once, pairs kept, in a fresh order, and the caller's data untouched."""
        del subject
        rows = RowJudge(question.case, question.data, reference)
        if reply.endless:
            place = (len(reply.epochs) - 1, len(reply.epochs[-1]))
            first = Divergence("batch", *place, text="comes after the epoch should have ended")
            return ComponentVerdict(question, "different", first, steps=place[1])
        if reply.raised is None:
            rows.judge_served(reply.epochs)
            _judge_left(question, reply, rows)
        level: Level = "error" if reply.raised else rows.level
        steps = sum(map(len, reply.epochs))
        return ComponentVerdict(question, level, rows.first, reply.raised, steps)


def _epochs(
    recipe: Recipe, case: Case, features: Tensor, labels: Tensor, most: int, count: int
) -> tuple[list[list[Batch]], Raised | None, bool]:
    epochs: list[list[Batch]] = []
    try:
        generator = torch.Generator().manual_seed(case.seed)
        served = recipe.batches(features, labels, case.batch_size, generator)
        for _ in range(count):
            epochs.append([])
            for X, y in _pairs(islice(served, most)):
                epochs[-1].append((_copied(X), _copied(y)))
            if len(epochs[-1]) == most:
                return epochs, None, True
    except (Exception, SystemExit) as error:  # noqa: BLE001 - an iterator may raise what it likes
        place = (max(0, len(epochs) - 1), len(epochs[-1]) if epochs else 0)
        return epochs, Raised.by(error, "batch", place), False
    return epochs, None, False


def _pairs(served: Iterable[Any]) -> Iterator[Any]:
    """The batches; two bare tensors are one batch that was returned instead of served."""
    single: list[Tensor] = []
    for batch in served:
        if not isinstance(batch, Tensor):
            yield batch
            continue
        single.append(batch)
        if len(single) > 2:
            raise TypeError("the iterator served single tensors, but should serve pairs")
    if single:
        yield single


def _copied(part: object) -> Tensor:
    if not isinstance(part, Tensor):
        raise TypeError(f"the iterator served {type(part).__name__}, but should serve two tensors")
    return part.detach().clone()


def _judge_left(question: Question, served: Served, rows: RowJudge) -> None:
    """Whether the caller's data are untouched, and another seed gives another order."""
    data = question.data
    same = torch.equal(served.features, data.features) and torch.equal(served.labels, data.labels)
    if not same:
        rows.diverge(0, 0, "is served from data that the iterator has written to")
    if served.repeats_itself and math.lgamma(question.case.n + 1) > math.log(CHANCE):
        rows.diverge(0, 0, "is the same whatever the generators' seed, but should be drawn")
