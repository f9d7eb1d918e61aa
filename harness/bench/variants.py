"""Other ways to write the same training, as recipes: piece swaps, by hand, and torch's options.

Every one of them is a reference recipe with a piece replaced, so that the engine compares it like
any other side before it is timed. Nothing here times, judges or shows anything.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Generator, Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, TensorDataset

from harness.engine.pieces import Functional, ObjectSGD
from harness.engine.recipe import Batch, Recipe, Side
from harness.pairs.linear import BUILTIN, SCRATCH, Form

FORM: Form = "mse"  # mean of squares: what nn.MSELoss does, so there is nothing to reconcile
PIECES = {  # what is swapped, and the fields of a Recipe that it is made of
    "data iterator": ("batches",),
    "model": ("model",),
    "loss": ("loss",),
    "optimizer": ("optimizer",),
    "loop": ("loop", "stepper"),
}
WORKERS = 2

Gradients = Callable[[Tensor, Tensor, Tensor, Tensor], Sequence[Tensor]]


@dataclass(frozen=True)
class Variant:
    """One way to train: `recipe` is what is compared, `timed` what is timed.

    They are one and the same, except where a loop by hand computes no prediction or loss that
    could be judged: then `recipe` runs the same pieces in a loop that shows them. `bulky` says
    that the memory of one process does not tell what it needs, `telling` that it is worth its time
    on much data: with the step's own cost gone, the iterator is left.
    """

    recipe: Recipe
    timed: Recipe
    note: str = ""
    bulky: bool = False
    telling: bool = False

    @property
    def name(self) -> str:
        """What the report calls it."""
        return self.timed.name


def short_name(recipe: Recipe) -> str:
    """The name of a side without its form: scratch, builtin."""
    return recipe.name.removesuffix(f" ({FORM})")


def swaps(base: Recipe, other: Recipe) -> list[Variant]:
    """`base` with one piece of `other` at a time: what a difference between them is made of."""
    variants = []
    for piece, fields in PIECES.items():
        taken: dict[str, Any] = {field: getattr(other, field) for field in fields}
        name = f"{short_name(base)} with {short_name(other)}'s {piece}"
        recipe = replace(base, name=name, **taken)
        variants.append(Variant(recipe, recipe))
    return variants


# -- iterators -----------------------------------------------------------------


@dataclass(frozen=True)
class PermutedOnce:
    """Batches cut from one permuted copy of all the data, made anew each epoch.

    features (n, d), labels (n, 1) -> (X (m, d), y (m, 1)), views of the copy: it needs the memory
    of the data once more, and reads all of it at random before the first batch is served.
    """

    features: Tensor
    labels: Tensor
    batch_size: int
    generator: Generator

    def __iter__(self) -> Iterator[Batch]:
        """Start an epoch."""
        order = torch.randperm(len(self.features), generator=self.generator)
        order = order.to(self.features.device)
        copies = (values.index_select(0, order) for values in (self.features, self.labels))
        return zip(*(copy.split(self.batch_size) for copy in copies), strict=True)


@dataclass(frozen=True)
class ShuffledList:
    """The book's `data_iter`: a shuffled Python list of row numbers, cut up and indexed with."""

    features: Tensor
    labels: Tensor
    batch_size: int
    generator: Generator

    def __iter__(self) -> Iterator[Batch]:
        """Start an epoch."""
        n = len(self.features)
        indices = list(range(n))
        seed = torch.empty((), dtype=torch.int64).random_(generator=self.generator)
        random.Random(int(seed)).shuffle(indices)
        for start in range(0, n, self.batch_size):
            rows = torch.tensor(indices[start : start + self.batch_size])
            yield self.features[rows], self.labels[rows]


def whole_batches(features: Tensor, labels: Tensor, size: int, generator: Generator) -> Any:
    """A DataLoader that fetches a batch at once: its sampler yields lists, `batch_size` is None."""
    data = TensorDataset(features, labels)
    sampler = BatchSampler(RandomSampler(data, generator=generator), size, drop_last=False)
    return DataLoader(data, sampler=sampler, batch_size=None, generator=generator)


def with_workers(features: Tensor, labels: Tensor, size: int, generator: Generator) -> Any:
    """The usual DataLoader, served by other processes that are started anew each epoch."""
    data = TensorDataset(features, labels)
    return DataLoader(data, size, shuffle=True, generator=generator, num_workers=WORKERS)


Iterators = dict[str, Callable[[Tensor, Tensor, int, Generator], Iterable[Batch]]]

ITERATORS: Iterators = {
    "randperm, index_select": SCRATCH[FORM].batches,
    "permute once, split": PermutedOnce,
    "list, shuffle, index": ShuffledList,
    "BatchSampler, batch_size=None": whole_batches,
}
TELLING_ITERATORS = (PermutedOnce, whole_batches)  # on much data too: they take rows many at once


# -- loops by hand -------------------------------------------------------------


def autograd_gradient(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Sequence[Tensor]:
    """Gradients of the mean of squares by `torch.autograd.grad`: no module, no optimizer."""
    with torch.enable_grad():
        loss = (torch.addmm(b, X, w) - y).square().mean()
        return torch.autograd.grad(loss, (w, b))


def closed_gradient(X: Tensor, y: Tensor, w: Tensor, b: Tensor) -> Sequence[Tensor]:
    """The same gradients from their formula, 2 Xᵀ(Xw + b - y) / m: no graph at all."""
    scale = 2 / X.shape[0]
    slope = torch.addmm(b, X, w, beta=scale, alpha=scale).sub_(y, alpha=scale)  # (m, 1)
    return X.t().mm(slope), slope.sum(0)


class Descent:
    """The update by hand, without an optimizer object's bookkeeping."""

    def __init__(self, parameters: list[Tensor], lr: float) -> None:
        self.parameters, self.lr = parameters, lr

    def step(self, batch_length: int) -> None:
        """Update from a gradient that is a mean already."""
        del batch_length
        with torch.no_grad():
            for parameter in self.parameters:
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=self.lr)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


def by_hand(
    name: str, gradients: Gradients, batches: Any = None, *, telling: bool = False
) -> Variant:
    """A loop that calls `gradients(X, y, w, b)` and updates, and does nothing else.

    What is compared shows its predictions and losses as well, which the timed loop never computes;
    batches and gradients are the same functions in both, and both end at the same bits.
    """

    def bare(side: Side) -> None:
        (w, b), lr = side.parameters(), side.lr
        with torch.no_grad():
            for _ in range(side.case.epochs):
                for X, y in side.loader:
                    for_w, for_b = gradients(X, y, w, b)
                    w.sub_(for_w, alpha=lr)  # written out: a loop over two costs 6 % of a step
                    b.sub_(for_b, alpha=lr)

    def step(side: Side, batch: Batch) -> None:
        X, y = batch
        w, b = side.parameters()
        with torch.no_grad():
            side.loss(side.forward(X), y)
            w.grad, b.grad = gradients(X, y, w, b)
        side.update(1)

    def shown(side: Side) -> None:
        for _ in range(side.case.epochs):
            for batch in side.loader:
                step(side, batch)

    base = SCRATCH[FORM]
    recipe = replace(
        base,
        name=name,
        batches=batches or base.batches,
        model=lambda d: Functional(_linear, _fresh(d)),
        optimizer=Descent,
        loop=shown,
        stepper=lambda side: partial(step, side),
    )
    return Variant(recipe, replace(recipe, loop=bare), telling=telling)


def _linear(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return torch.addmm(b, X, w)


def _fresh(d: int) -> tuple[Tensor, Tensor]:
    w, b = SCRATCH[FORM].init(d)
    return w, b


BY_HAND: tuple[Variant, ...] = (
    by_hand("torch.autograd.grad by hand", autograd_gradient),
    by_hand("closed-form gradient", closed_gradient, telling=True),
    by_hand("closed form, permute once", closed_gradient, PermutedOnce, telling=True),
)


# -- torch's own options -------------------------------------------------------


def _option(name: str, note: str = "", *, bulky: bool = False, **pieces: Any) -> Variant:
    recipe = replace(BUILTIN[FORM], name=name, **pieces)
    return Variant(recipe, recipe, note, bulky)


def _sgd(**options: Any) -> Callable[[list[Tensor], float], ObjectSGD]:
    sgd: Any = partial(torch.optim.SGD, **options)
    return lambda parameters, lr: ObjectSGD(sgd, parameters, lr)


@cache
def _compiled() -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    # processes that compile in the background would run beside what is timed next
    os.environ.setdefault("TORCHINDUCTOR_COMPILE_THREADS", "1")
    compiled: Callable[[Tensor, Tensor, Tensor], Tensor] = torch.compile(_linear, dynamic=True)
    return compiled


OPTIONS: tuple[Variant, ...] = (
    _option("SGD(foreach=True)", optimizer=_sgd(foreach=True)),
    _option("SGD(foreach=False)", optimizer=_sgd(foreach=False)),
    _option("SGD(fused=True)", optimizer=_sgd(fused=True)),
    _option("BatchSampler, batch_size=None", batches=whole_batches),
    _option(
        f"num_workers={WORKERS}",
        "the workers are started anew each epoch",
        bulky=True,
        batches=with_workers,
    ),
    _option(
        "torch.compile(model)",
        "compiled before it is timed",
        bulky=True,
        model=lambda d: Functional(_compiled(), _fresh(d)),
    ),
)


@cache
def by_name() -> dict[str, Recipe]:
    """What is timed under each name: the two sides, their swaps, and every variant."""
    sides = SCRATCH[FORM], BUILTIN[FORM]
    timed = [v.timed for v in (*swaps(*sides), *swaps(*sides[::-1]), *BY_HAND, *OPTIONS)]
    return {recipe.name: recipe for recipe in (*sides, *timed)}
