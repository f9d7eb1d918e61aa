"""What is timed: the pieces of both sides made ready, and the rows of a setting."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor

from harness.bench.paired import Prepared
from harness.bench.variants import (
    BY_HAND,
    FORM,
    ITERATORS,
    OPTIONS,
    PIECES,
    TELLING_ITERATORS,
    Variant,
    short_name,
    swaps,
)
from harness.engine.case import Case, Data
from harness.engine.recipe import Batch, Recipe, Side
from harness.errors import InputError
from harness.pairs.linear import SCRATCH, LinearCase
from harness.pairs.softmax import SOFTMAX, SoftmaxCase
from harness.report.view import spaced

Timed = Prepared | Callable[[], object]
Maker = Callable[[Recipe, Case, Data], Timed]


def setting(name: str, n: int, d: int, batch_size: int, **more: Any) -> LinearCase:
    """One epoch of so many rows, features and rows a batch."""
    return LinearCase(
        name,
        f"n = {spaced(n)}, d = {d}, batch {batch_size}",
        num_examples=n,
        weight=(0.5,) * d,
        batch_size=batch_size,
        epochs=1,
        **more,
    )


SETTINGS = (
    setting("small", 1000, 2, 10),
    setting("medium", 100_000, 32, 256),
    setting("large", 1_000_000, 32, 1024),
)
# both sides of the second pair: what it has of its own, and an epoch
SOFTMAX_SETTING = SoftmaxCase("softmax", "digits, 500 rows, batch 32", epochs=1)
SOFTMAX_ROWS = ("forward", "loss")
ONLY_BY_NAME = ("large",)  # takes minutes


def _batches(case: Case, data: Data) -> Iterator[Batch]:
    """Batches without end, every one a new copy, in equal order for all who ask."""
    generator = torch.Generator().manual_seed(case.seed)
    loader = SCRATCH[FORM].batches(data.features, data.labels, case.batch_size, generator)
    return itertools.chain.from_iterable(itertools.repeat(loader))


def iterator(recipe: Recipe, case: Case, data: Data) -> Timed:
    """An epoch of batches, served and dropped; the order is a new one each time."""
    generator = torch.Generator().manual_seed(case.seed)
    loader = recipe.batches(data.features, data.labels, case.batch_size, generator)
    return lambda: deque(loader, maxlen=0)


def forward(recipe: Recipe, case: Case, data: Data) -> Timed:
    """A prediction, with its graph."""
    side, batches = recipe.build(case, data), _batches(case, data)
    return Prepared(side.forward, lambda: next(batches)[0])


def loss(recipe: Recipe, case: Case, data: Data) -> Timed:
    """The loss of a prediction, with its graph."""
    side, batches = recipe.build(case, data), _batches(case, data)

    def fresh() -> Batch:
        X, y = next(batches)
        return side.forward(X).detach().requires_grad_(), y

    return Prepared(lambda batch: side.loss(*batch), fresh)


def backward(recipe: Recipe, case: Case, data: Data) -> Timed:
    """Old gradients forgotten, new ones computed from a loss with its graph."""
    side, batches = recipe.build(case, data), _batches(case, data)

    def call(value: Tensor) -> None:
        side.zero_grad()
        value.backward()

    return Prepared(call, lambda: side.training_step(next(batches)))


def update(recipe: Recipe, case: Case, data: Data) -> Timed:
    """Gradients put in place, and the parameters updated from them."""
    side = recipe.build(case, data)
    generator = torch.Generator(data.features.device).manual_seed(case.seed)

    def fresh() -> list[Tensor]:
        return [
            torch.empty_like(leaf).normal_(generator=generator).detach()
            for leaf in side.parameters()
        ]

    def call(gradients: list[Tensor]) -> None:
        for leaf, gradient in zip(side.parameters(), gradients, strict=True):
            leaf.grad = gradient
        side.step()

    return Prepared(call, fresh)


def step(recipe: Recipe, case: Case, data: Data) -> Timed:
    """A whole step on a batch that is there already: the same iterator for both sides."""
    side, batches = recipe.build(case, data), _batches(case, data)
    return Prepared(side.stepper(), lambda: next(batches))


def epoch(recipe: Recipe, case: Case, data: Data) -> Timed:
    """A whole epoch by the side's own loop, from the initial parameters; made outside the time."""
    return Prepared(Side.fit, lambda: recipe.build(case, data))


COMPONENTS: dict[str, tuple[Maker, str]] = {  # with the stage that says whether it agrees
    "data iterator": (iterator, "batch"),
    "forward": (forward, "prediction"),
    "loss": (loss, "loss"),
    "backward": (backward, "gradient"),
    "update": (update, "parameter"),
}


@dataclass(frozen=True)
class Entry:
    """A row to be: two variants on a setting, and which part of them is timed.

    `stage` is the one whose agreement counts, all of them where it is None. `optional` rows are
    those that a machine may be unable to run, `telling` those worth their time on much data.
    `piece_of` is the side that a swapped piece is taken from, "" where none is swapped.
    """

    setting: Case
    group: str
    name: str
    first: Variant
    second: Variant
    make: Maker = epoch
    stage: str | None = None
    optional: bool = False
    telling: bool = True
    piece_of: str = ""

    @property
    def ident(self) -> str:
        """What `--only` matches: setting/group/name."""
        return f"{self.setting.name}/{self.group}/{self.name}"

    def chosen(self, only: Sequence[str]) -> bool:
        """Whether it is named, by a pattern on its ident or by one of its three parts."""
        parts = (self.setting.name, self.group, self.name, self.ident)
        if not only:
            return self.setting.name not in ONLY_BY_NAME
        return any(fnmatch(part, pattern) for pattern in only for part in parts)


def plain(recipe: Recipe) -> Variant:
    """A recipe that is timed as it is compared."""
    return Variant(recipe, recipe)


def entries(case: LinearCase, subject: Recipe, reference: Recipe) -> list[Entry]:
    """All rows of a setting; beyond the small one only those that tell something new there."""
    mine, theirs = plain(subject), plain(reference)
    rows = [
        Entry(case, "components", name, mine, theirs, make, stage)
        for name, (make, stage) in COMPONENTS.items()
    ]
    rows += [
        Entry(case, "components", "step", mine, theirs, step),
        Entry(case, "epoch", "whole epoch", mine, theirs),
    ]
    for base, other in ((theirs, subject), (mine, reference)):
        rows += [
            Entry(
                case,
                f"into {short_name(base.recipe)}",
                piece,
                variant,
                base,
                telling="batches" in PIECES[piece],
                piece_of=short_name(other),
            )
            for piece, variant in zip(PIECES, swaps(base.recipe, other), strict=True)
        ]
    rows += [
        Entry(
            case,
            "iterators",
            name,
            plain(replace(reference, name=name, batches=batches)),
            theirs,
            iterator,
            "batch",
            telling=batches in TELLING_ITERATORS,
        )
        for name, batches in ITERATORS.items()
        if batches is not subject.batches
    ]
    rows += [
        Entry(case, "by hand", variant.name, variant, theirs, telling=variant.telling)
        for variant in BY_HAND
    ]
    rows += [
        Entry(case, "options", v.name, v, theirs, optional=True, telling=v.telling) for v in OPTIONS
    ]
    return [entry for entry in rows if case.name == "small" or entry.telling]


def softmax_entries(case: SoftmaxCase) -> list[Entry]:
    """The rows of softmax regression, whose sides are always our own."""
    mine, theirs = map(plain, SOFTMAX.forms[case.form].both)
    components = [
        Entry(case, "components", name, mine, theirs, *COMPONENTS[name]) for name in SOFTMAX_ROWS
    ]
    return [*components, Entry(case, "epoch", "whole epoch", mine, theirs)]


def select(
    subject: Recipe, reference: Recipe, device: str, seed: int, only: Sequence[str], *, quick: bool
) -> list[Entry]:
    """The rows that are asked for; `InputError` where a pattern names none."""
    cases = [replace(case, device=device, seed=seed) for case in SETTINGS]
    every = [entry for case in cases for entry in entries(case, subject, reference)]
    every += softmax_entries(replace(SOFTMAX_SETTING, device=device, seed=seed))
    for pattern in only:
        if not any(entry.chosen([pattern]) for entry in every) and pattern != "engine":
            groups = ", ".join(dict.fromkeys(entry.group for entry in every))
            settings = ", ".join(dict.fromkeys(entry.setting.name for entry in every))
            raise InputError(
                f"--only {pattern}: no row is called that; take a setting "
                f"({settings}), a group ({groups}, engine), a row, "
                "or a pattern such as 'medium/*/*iterator*'."
            )
    chosen = sorted((entry for entry in every if entry.chosen(only)), key=_rank)
    return (
        [e for e in chosen if e.setting.name == "small" and not e.first.bulky] if quick else chosen
    )


def _rank(entry: Entry) -> int:
    """What is timed first, where time may run out: the sides themselves, the options last."""
    order = ("components", "epoch", "by hand", "swaps", "iterators", "options")
    return order.index("swaps" if entry.piece_of else entry.group)
