"""The pieces of one side, and a side built of them.

A recipe is a set of named pieces; a wrong answer, an own optimizer or a learner's loss is usually
the reference recipe with one piece replaced (`dataclasses.replace`). `build` puts the pieces
together for a case; an observer may stand at each of them. It knows nothing of judging, and nothing
of where the pieces come from: those of the two packages stand in `harness.pairs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor, nn

from harness.engine.case import Case, Data, UpdateRule
from harness.engine.pieces import ObjectSGD, Optimizers

if TYPE_CHECKING:
    from harness.engine.pair import Pair

Batch = tuple[Tensor, Tensor]
Forward = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class Model(Protocol):
    """What predicts: leaves that require gradients, and a forward pass."""

    def parameters(self) -> Iterable[Tensor]:
        """The leaves, in a fixed order."""

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, ...) -> predictions (m, ...)."""


class Optimizer(Protocol):
    """What updates the parameters in place from their `.grad`."""

    def step(self, batch_length: int) -> None:
        """Update; told the true length of the batch, for those that divide by it."""

    def zero_grad(self) -> None:
        """Forget the gradients."""


@dataclass(frozen=True)
class Convention:
    """How a side scales its loss, relative to the mean of the pair's own loss per example.

    `factor`: what the loss is multiplied by, such as the ½ of ½ squares. `reduction`: "mean" and
    "sum" are a 0-d loss; "none" is a loss per example whose gradient is summed and divided by the
    batch length in the update.
    """

    factor: float = 1.0
    reduction: Literal["mean", "none", "sum"] = "mean"

    @property
    def half(self) -> bool:
        """Whether the loss carries the factor ½."""
        return self.factor == 0.5

    def gradient_factor(self, rows: int) -> float:
        """Gradient over the gradient of the mean of the pair's own loss, for so many `rows`."""
        return self.factor * (1 if self.reduction == "mean" else rows)

    def divisor(self, rows: int) -> int:
        """The batch length that the update is told: what a summed gradient is divided by."""
        return rows if self.reduction == "none" else 1

    def loss_factor(self, rows: int) -> float:
        """Loss over the mean, or over the losses per example, of the pair's own loss."""
        return self.factor * (rows if self.reduction == "sum" else 1)

    def against(self, other: Convention) -> str | None:
        """What has to be reconciled with another convention, in words; None where nothing."""
        if self == other:
            return None
        ratio = self.factor / other.factor
        loss, gradient = [], []
        if ratio != 1:
            scaled = f"× {'½' if ratio == 0.5 else f'{ratio:g}'}"
            loss.append(scaled)
            gradient.append(scaled)
        if self.reduction != other.reduction:
            loss.append(f"{_REDUCED[self.reduction]}, not {_REDUCED[other.reduction]}")
            if "mean" in (self.reduction, other.reduction):
                gradient.append(("÷" if self.reduction == "mean" else "×") + " batch length")
        parts = [f"loss {', '.join(loss)}"]
        if gradient:
            parts.append(f"gradient {', '.join(gradient)}")
        if ratio != 1:
            parts.append(f"reference's learning rate × {ratio:g}")
        return "; ".join(parts)


_REDUCED = {"none": "per example", "mean": "mean", "sum": "sum"}


def _as_it_is(values: Tensor) -> Tensor:
    return values


@dataclass(frozen=True)
class Reading:
    """How a side's predictions are read as those of its pair, and how they are written back.

    `common` takes a side's prediction (m, ...) to the common one, `own` takes the common one back;
    `project` takes any values to such as a common prediction can have: without it two losses that
    are equal on all predictions still have different slopes (Euclidean ones, by the prediction).
    """

    name: str
    common: Callable[[Tensor], Tensor] = _as_it_is
    own: Callable[[Tensor], Tensor] = _as_it_is
    project: Callable[[Tensor], Tensor] = _as_it_is


PLAIN = Reading("as it is")


@dataclass(frozen=True, eq=False)
class Recipe:
    """The named pieces of one side.

    `batches(features, labels, batch_size, generator)` gives something that can be iterated once an
    epoch; `init(*widths)` draws fresh parameters; `model(*widths)` makes a model for the widths of
    a case, whose parameters `build` then sets to those of the case; `loss(y_hat, y)`;
    `optimizer(parameters, lr)`, which is the case's own rule where it is one of the `Optimizers` of
    a package; `clip(parameters, max_norm)` scales gradients in place; `loop(side)` trains to the
    end with the side's own loop and `stepper(side)` is the function that does one update with one
    batch. `reading` says how the predictions are read. `bounded` are pieces whose values are sums
    of products of what they are given: there the same piece on absolute values bounds what
    rounding can do, and need not be sampled. `metric(y_hat, y)` is what the side tells of its
    predictions after an epoch, such as their accuracy, where the pair has one. `pair` is the one
    that the side is of, where it is of one. Two recipes are equal where their pieces are the same
    objects: a piece may be anything, also what cannot be hashed or held against another.
    """

    name: str
    convention: Convention
    batches: Callable[[Tensor, Tensor, int, torch.Generator], Iterable[Batch]]
    init: Callable[..., Sequence[Tensor]]
    model: Callable[..., Model]
    loss: Loss
    optimizer: Callable[[list[Tensor], float], Optimizer]
    clip: Callable[[list[Tensor], float], object]
    loop: Callable[[Side], None]
    stepper: Callable[[Side], Callable[[Batch], None]]
    reading: Reading = PLAIN
    bounded: tuple[object, ...] = ()
    metric: Callable[[Tensor, Tensor], Tensor] | None = None
    pair: Pair | None = None

    @cached_property
    def _identity(self) -> tuple[object, ...]:
        values = (getattr(self, field.name) for field in fields(self))
        return tuple(
            value if isinstance(value, (str, Convention, Optimizers)) else _identity_of(value)
            for value in values
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Recipe) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)

    def build(
        self, case: Case, data: Data, observer: Observer | None = None, lr: float | None = None
    ) -> Side:
        """This recipe made ready for a case, its parameters set to the case's initial values."""
        return Side(self, case, data, observer or Unobserved(), lr or case.lr)

    def optimizer_for(self, rule: UpdateRule) -> Callable[[list[Tensor], float], Optimizer]:
        """The piece that updates in a case with this rule; a class of torch's is its own rule."""
        kind: object = self.optimizer
        if isinstance(kind, Optimizers):
            return replace(kind, rule=rule)
        if isinstance(kind, type) and issubclass(kind, torch.optim.Optimizer):
            return partial(ObjectSGD, kind)
        return self.optimizer

    def is_bounded(self, piece: object) -> bool:
        """Whether this piece, as it is here, is one of the `bounded`; a replaced one is not."""
        return any(piece is known for known in self.bounded)


def _identity_of(piece: object) -> object:
    return tuple(map(id, piece)) if isinstance(piece, tuple) else id(piece)


class Observer(Protocol):
    """Stands at the pieces of a side while it trains; each method wraps one of them."""

    def batches(self, served: Iterable[Batch]) -> Iterable[Batch]:
        """Sees each batch served."""

    def forward(self, fn: Forward) -> Forward:
        """Sees each prediction."""

    def loss(self, fn: Loss) -> Loss:
        """Sees each loss."""

    def update(
        self,
        fn: Callable[[int], None],
        parameters: Sequence[Tensor],
        carried: Sequence[Tensor] = (),
    ) -> Callable[[int], None]:
        """Sees gradients before and the state after each update."""

    def restart(self) -> None:
        """The state has been set to other values before anything was trained."""


class Unobserved:
    """The observer of a bare run: every piece runs as it is."""

    def batches(self, served: Iterable[Batch]) -> Iterable[Batch]:
        """As it is."""
        return served

    def forward(self, fn: Forward) -> Forward:
        """As it is."""
        return fn

    def loss(self, fn: Loss) -> Loss:
        """As it is."""
        return fn

    def update(
        self,
        fn: Callable[[int], None],
        parameters: Sequence[Tensor],
        carried: Sequence[Tensor] = (),
    ) -> Callable[[int], None]:
        """As it is."""
        del parameters, carried
        return fn

    def restart(self) -> None:
        """Nothing to see."""


class Side:
    """One recipe built for one case: what its loop trains, with an observer at every piece.

    It is at once the `model` and the `data` of a `Trainer`, and gives the functional `train` its
    pieces, so that any recipe runs under either loop.
    """

    def __init__(
        self, recipe: Recipe, case: Case, data: Data, observer: Observer, lr: float
    ) -> None:
        self.recipe, self.case, self.data, self.lr = recipe, case, data, lr
        self.model = recipe.model(*case.widths)
        self._parameters = _placed(self.model, data.initial[0])
        self._carried = _carried(self.model)
        _check_layout(self._parameters, data.initial)
        self.load(data.initial)
        self.generator = torch.Generator().manual_seed(case.seed)
        self.clipped = False
        self._optimizer = recipe.optimizer_for(case.optimizer)(self._parameters, lr)
        self.forward = observer.forward(self.model.forward)
        self.loss = observer.loss(recipe.loss)
        self.update = observer.update(self._optimizer.step, self._parameters, self._carried)
        self.loader = observer.batches(self._loader())
        self._observer = observer

    def fit(self) -> None:
        """Train to the end with the recipe's own loop."""
        self.recipe.loop(self)

    def stepper(self) -> Callable[[Batch], None]:
        """The recipe's own single step, to be called with one batch after the other."""
        return self.recipe.stepper(self)

    def restart(self, values: Sequence[Tensor]) -> None:
        """Start from other values than the case's."""
        self.load(values)
        self._observer.restart()

    def load(self, values: Sequence[Tensor]) -> None:
        """Overwrite the parameters, and the carried state where it is given behind them.

        Each value is flattened into the shape of what it overwrites.
        """
        with torch.no_grad():
            for held, value in zip(self.state(), values, strict=False):
                held.copy_(value.reshape(held.shape))

    def clip(self, parameters: list[Tensor], max_norm: float) -> None:
        """Scale the gradients in place, as the recipe does; notes that it was called."""
        self.clipped = True
        self.recipe.clip(parameters, max_norm)

    def _loader(self) -> Iterable[Batch]:
        served = self.recipe.batches(
            self.data.features, self.data.labels, self.case.batch_size, self.generator
        )
        return iter(served) if self.case.one_pass_iterator else served

    def carried(self) -> list[Tensor]:
        """What the model keeps beside its parameters and no gradient trains: running statistics."""
        return self._carried

    def state(self) -> list[Tensor]:
        """The parameters, and what is carried beside them."""
        return [*self._parameters, *self._carried]

    def evaluated(self, X: Tensor) -> Tensor:
        """Predictions in evaluation mode, where the model has one, without gradients."""
        training = getattr(self.model, "training", None)
        if isinstance(self.model, nn.Module):
            self.model.eval()
        try:
            with torch.no_grad():
                return self.model.forward(X)
        finally:
            if isinstance(self.model, nn.Module):
                self.model.train(training is not False)

    # What a Trainer expects of its model and its data.

    def parameters(self) -> list[Tensor]:
        """The leaves that are trained, in the order of the case's layout."""
        return self._parameters

    def training_step(self, batch: Batch) -> Tensor:
        """The loss of one batch."""
        X, y = batch
        return self.loss(self.forward(X), y)

    def validation_step(self, batch: Batch) -> Tensor:
        """The loss of one batch; cases have no validation data."""
        return self.training_step(batch)

    def train(self, mode: bool = True) -> Side:
        """Stay as it is: cases have no validation pass to switch for."""
        del mode
        return self

    def eval(self) -> Side:
        """Stay as it is."""
        return self

    def configure_optimizers(self) -> Side:
        """The side updates itself: `step` and `zero_grad` below."""
        return self

    def step(self) -> None:
        """Update from a gradient that is a mean already: nothing is divided by the length."""
        self.update(1)

    def zero_grad(self) -> None:
        """Forget the gradients, unless the case is about forgetting just that."""
        if self.case.clear_gradients:
            self._optimizer.zero_grad()

    def train_dataloader(self) -> Iterable[Batch]:
        """The batches, to be iterated once an epoch."""
        return self.loader

    def val_dataloader(self) -> None:
        """No validation data."""


def _check_layout(parameters: Sequence[Tensor], initial: Sequence[Tensor]) -> None:
    """Refuse a model whose leaves are not those that the data start: nothing could be compared."""
    sizes, starts = ([value.numel() for value in values] for values in (parameters, initial))
    if sizes != starts[: len(sizes)]:
        shapes, given = (
            ", ".join(str(tuple(value.shape)) for value in values)
            for values in (parameters, initial)
        )
        raise ValueError(f"the model has parameters {shapes}, but the case starts from {given}")


def _carried(model: Model) -> list[Tensor]:
    """The buffers of a module that hold floats, in its own order."""
    buffers = model.buffers() if isinstance(model, nn.Module) else ()
    return [buffer for buffer in buffers if buffer.is_floating_point()]


def _placed(model: Model, like: Tensor) -> list[Tensor]:
    """The model's leaves, moved in place to the dtype and device of `like`."""
    leaves = list(model.parameters())
    with torch.no_grad():
        for held in (*leaves, *_carried(model)):
            held.data = held.data.to(like)
    return leaves
