"""Sides made of a package's pieces: the functional form, and the object form with its Trainer.

Both forms are the same for every pair; what differs is the model, the loss and how they are read.
`packages` is the one place that imports `scratch` and `builtin`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, optim

from harness.engine.pair import Pair, Sides
from harness.engine.pieces import FreshEachEpoch, FunctionalSGD, Optimizers
from harness.engine.recipe import PLAIN, Batch, Convention, Loss, Model, Reading, Recipe, Side
from harness.engine.torch_import import without_compiler
from harness.pairs.packages import own_packages

scratch, builtin = own_packages()
PACKAGES: Mapping[str, ModuleType] = {"scratch": scratch, "builtin": builtin}


def both(pair: Pair, form: str, make: Callable[[ModuleType], Recipe]) -> Sides:
    """Both sides of a form, made alike of the two packages; draws from no generator of the user."""
    with torch.random.fork_rng(devices=[]):
        return Sides(form, *(replace(make(package), pair=pair) for package in PACKAGES.values()))


def functional(
    package: ModuleType,
    *,
    convention: Convention,
    init: Callable[..., tuple[Tensor, Tensor]],
    model: Callable[..., Model],
    loss: Loss,
    reading: Reading = PLAIN,
    bounded: bool = False,
    metric: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Recipe:
    """The functional form: a loss per example, the gradient of its sum, an update that divides.

    `bounded` says that model and loss are sums of products.
    """

    def pieces(side: Side) -> dict[str, Callable[..., object]]:
        return {
            "net": lambda X, _w, _b: side.forward(X),
            "loss": side.loss,
            "update": lambda _params, _lr, length: side.update(length),
        }

    def loop(side: Side) -> None:
        package.train(
            side.data.features,
            side.data.labels,
            *side.parameters(),
            side.lr,
            side.case.epochs,
            side.case.batch_size,
            batches=lambda *_: side.loader,
            **pieces(side),
        )

    def stepper(side: Side) -> Callable[[Batch], None]:
        return lambda batch: package.train_batch(
            *batch, *side.parameters(), side.lr, **pieces(side)
        )

    return Recipe(
        name=f"{package.__name__} (functional)",
        convention=convention,
        batches=lambda features, labels, size, generator: FreshEachEpoch(
            lambda: package.data_iter(size, features, labels, generator)
        ),
        init=init,
        model=model,
        loss=loss,
        optimizer=lambda parameters, lr: FunctionalSGD(package.sgd, parameters, lr),
        clip=package.clip_gradients,
        loop=loop,
        stepper=stepper,
        reading=reading,
        bounded=(model, loss) if bounded else (),
        metric=metric,
    )


def objects(
    package: ModuleType,
    form: str,
    *,
    convention: Convention,
    init: Callable[..., list[Tensor]],
    model: Callable[..., Model],
    loss: Loss,
    reading: Reading = PLAIN,
    bounded: bool = False,
    metric: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Recipe:
    """The object form: a mean loss, the package's Trainer, the case's own optimizer."""

    def loop(side: Side) -> None:
        _trainer(package, side).fit(side, side)

    def stepper(side: Side) -> Callable[[Batch], None]:
        trainer = _trainer(package, side)
        trainer.prepare(side, side)
        return trainer.fit_batch  # type: ignore[no-any-return]

    return Recipe(
        name=f"{package.__name__} ({form})",
        convention=convention,
        batches=lambda features, labels, size, generator: package.BatchLoader(
            features, labels, size, generator=generator
        ),
        init=init,
        model=model,
        loss=loss,
        optimizer=Optimizers(package),
        clip=package.clip_gradients,
        loop=loop,
        stepper=stepper,
        reading=reading,
        bounded=(model, loss) if bounded else (),
        metric=metric,
    )


def _trainer(package: ModuleType, side: Side) -> Any:
    return package.Trainer(
        side.case.epochs, side.case.clip, side.case.micro_batch_size, clip=side.clip
    )


def quick(recipe: Recipe) -> Recipe:
    """A built-in side for judging, where torch's compiler is not worth its import."""
    if isinstance(recipe.optimizer, Optimizers):
        return replace(recipe, optimizer=replace(recipe.optimizer, compiler=False))
    return replace(recipe, optimizer=partial(FunctionalSGD, _quick_sgd))


def _quick_sgd(params: list[Tensor], lr: float, batch_size: int) -> None:
    """As `builtin.sgd`."""
    without_compiler(optim.SGD)(params, lr=lr / batch_size).step()  # type: ignore[call-arg]


def named_alike(names: list[str]) -> list[dict[str, Any]]:
    """What each package follows under these public names, which both have."""
    return [
        {"name": name} | {side: _source(package, name) for side, package in PACKAGES.items()}
        for name in sorted(names, key=str.lower)
    ]


def _source(package: ModuleType, name: str) -> str:
    """What the docstring gives as its source; where it gives none, what it says at first."""
    text = inspect.getdoc(getattr(package, name)) or ""
    first, _, source = text.partition("Source: ")
    return " ".join((source or first.partition("\n")[0]).split())
