"""The pieces of one side, and the two sides themselves: SCRATCH and BUILTIN.

A recipe is a set of named pieces; a wrong answer, an own optimizer or a learner's loss is usually
the reference recipe with one piece replaced (`dataclasses.replace`). `build` puts the pieces
together for a case; an observer may stand at each of them. This is the only module that imports
both packages; it knows nothing of judging.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

import builtin
import scratch
from harness.engine.case import OPTIMIZERS, Case, Data, Form, UpdateRule

Batch = tuple[Tensor, Tensor]
Forward = Callable[[Tensor], Tensor]
Loss = Callable[[Tensor, Tensor], Tensor]


class Model(Protocol):
    """What predicts: leaves that require gradients, weight before bias, and a forward pass."""

    def parameters(self) -> Iterable[Tensor]:
        """The leaves, in a fixed order."""

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions (m, 1)."""


class Optimizer(Protocol):
    """What updates the parameters in place from their `.grad`."""

    def step(self, batch_length: int) -> None:
        """Update; told the true length of the batch, for those that divide by it."""

    def zero_grad(self) -> None:
        """Forget the gradients."""


@dataclass(frozen=True)
class Convention:
    """How a side scales its loss, relative to the mean of squared errors.

    `half`: the loss carries the factor ½. `reduction`: "mean" is a 0-d loss; "none" is a loss per
    example whose gradient is summed and divided by the batch length in the update.
    """

    half: bool
    reduction: Literal["mean", "none"]

    @property
    def factor(self) -> float:
        """Loss over squared error: ½ or 1. Also the learning rate over the reconciled one."""
        return 0.5 if self.half else 1.0

    def gradient_factor(self, rows: int) -> float:
        """Gradient over the gradient of the mean squared error, for a batch of `rows`."""
        return self.factor * self.divisor(rows)

    def divisor(self, rows: int) -> int:
        """The batch length that the update is told: what a summed gradient is divided by."""
        return rows if self.reduction == "none" else 1

    def against(self, other: Convention) -> str | None:
        """What has to be reconciled with another convention, in words; None where nothing."""
        if self == other:
            return None
        ratio = self.factor / other.factor
        loss, gradient = [], []
        if ratio != 1:
            word = {0.5: "½", 2.0: "2"}[ratio]
            loss.append(f"× {word}")
            gradient.append(f"× {word}")
        if self.reduction != other.reduction:
            summed = self.reduction == "none"
            loss.append("per example, not its mean" if summed else "mean, not per example")
            gradient.append("× batch length" if summed else "÷ batch length")
        parts = [f"loss {', '.join(loss)}", f"gradient {', '.join(gradient)}"]
        if ratio != 1:
            parts.append(f"reference's learning rate × {ratio:g}")
        return "; ".join(parts)


@dataclass(frozen=True)
class Recipe:
    """The named pieces of one side.

    `batches(features, labels, batch_size, generator)` gives something that can be iterated once an
    epoch; `init(d)` draws fresh parameters, weight before bias; `model(d)`, or `model(d, hidden)`
    where the case has a hidden layer, makes a model, whose parameters `build` then sets to those of
    the case; `loss(y_hat, y)`; `optimizer(parameters, lr)`, which is the case's own rule where it
    is one of the `Optimizers` of a package;
    `clip(parameters, max_norm)` scales gradients in place; `loop(side)` trains to the end with the
    side's own loop and `stepper(side)` is the function that does one update with one batch.
    """

    name: str
    convention: Convention
    batches: Callable[[Tensor, Tensor, int, torch.Generator], Iterable[Batch]]
    init: Callable[[int], Sequence[Tensor]]
    model: Callable[..., Model]
    loss: Loss
    optimizer: Callable[[list[Tensor], float], Optimizer]
    clip: Callable[[list[Tensor], float], object]
    loop: Callable[[Side], None]
    stepper: Callable[[Side], Callable[[Batch], None]]

    def build(
        self, case: Case, data: Data, observer: Observer | None = None, lr: float | None = None
    ) -> Side:
        """This recipe made ready for a case, its parameters set to the case's initial values."""
        return Side(self, case, data, observer or Unobserved(), lr or case.lr)

    def optimizer_for(self, rule: UpdateRule) -> Callable[[list[Tensor], float], Optimizer]:
        """The piece that updates in a case with this rule."""
        if isinstance(self.optimizer, Optimizers):
            return replace(self.optimizer, rule=rule)
        return self.optimizer


class Observer(Protocol):
    """Stands at the pieces of a side while it trains; each method wraps one of them."""

    def batches(self, served: Iterable[Batch]) -> Iterable[Batch]:
        """Sees each batch served."""

    def forward(self, fn: Forward) -> Forward:
        """Sees each prediction."""

    def loss(self, fn: Loss) -> Loss:
        """Sees each loss."""

    def update(
        self, fn: Callable[[int], None], parameters: Sequence[Tensor]
    ) -> Callable[[int], None]:
        """Sees gradients before and parameters after each update."""


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
        self, fn: Callable[[int], None], parameters: Sequence[Tensor]
    ) -> Callable[[int], None]:
        """As it is."""
        del parameters
        return fn


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
        self._parameters = _placed(self.model, data.features)
        self.load(data.initial)
        self.generator = torch.Generator().manual_seed(case.seed)
        self._optimizer = recipe.optimizer_for(case.optimizer)(self._parameters, lr)
        self.forward = observer.forward(self.model.forward)
        self.loss = observer.loss(recipe.loss)
        self.update = observer.update(self._optimizer.step, self._parameters)
        self.loader = observer.batches(self._loader())

    def fit(self) -> None:
        """Train to the end with the recipe's own loop."""
        self.recipe.loop(self)

    def stepper(self) -> Callable[[Batch], None]:
        """The recipe's own single step, to be called with one batch after the other."""
        return self.recipe.stepper(self)

    def load(self, values: Sequence[Tensor]) -> None:
        """Overwrite the parameters; each value is flattened into its parameter's shape."""
        with torch.no_grad():
            for parameter, value in zip(self._parameters, values, strict=True):
                parameter.copy_(value.reshape(parameter.shape))

    def _loader(self) -> Iterable[Batch]:
        served = self.recipe.batches(
            self.data.features, self.data.labels, self.case.batch_size, self.generator
        )
        return iter(served) if self.case.one_pass_iterator else served

    # What a Trainer expects of its model and its data.

    def parameters(self) -> list[Tensor]:
        """The leaves that are trained, weight before bias."""
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


def _placed(model: Model, like: Tensor) -> list[Tensor]:
    """The model's leaves, moved in place to the dtype and device of `like`."""
    leaves = list(model.parameters())
    with torch.no_grad():
        for leaf in leaves:
            leaf.data = leaf.data.to(like)
    return leaves


class Functional(nn.Module):
    """A model made of a function `net(X, w, b)` and freshly drawn parameters.

    It is a module so that `torch.func.functional_call` can run it on other parameters.
    """

    def __init__(
        self, net: Callable[[Tensor, Tensor, Tensor], Tensor], parameters: tuple[Tensor, Tensor]
    ) -> None:
        super().__init__()
        self.net = net
        self.w, self.b = (nn.Parameter(parameter.detach()) for parameter in parameters)

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions (m, 1)."""
        return self.net(X, self.w, self.b)


class FunctionalSGD:
    """A function `sgd(params, lr, batch_size)` in the shape of an optimizer."""

    def __init__(
        self, sgd: Callable[[list[Tensor], float, int], None], parameters: list[Tensor], lr: float
    ) -> None:
        self.sgd, self._parameters, self.lr = sgd, parameters, lr

    def step(self, batch_length: int) -> None:
        """Divide the summed gradient by the batch length and update."""
        self.sgd(self._parameters, self.lr, batch_length)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None


class InputsFirst:
    """A model by hand, whose weights are (inputs, outputs), trained in nn.Linear's layout.

    The leaves are (outputs, inputs); the model sees them transposed, so that both sides' parameters
    and gradients can be held against each other entry by entry.
    """

    def __init__(self, model: Model) -> None:
        self._model = model
        held = list(model.parameters())
        self._names = [
            next(name for name, value in vars(model).items() if value is parameter)
            for parameter in held
        ]
        self._leaves = [
            parameter.detach().t().contiguous().clone().requires_grad_() for parameter in held
        ]

    def parameters(self) -> list[Tensor]:
        """The leaves, in the order of the model's own."""
        return self._leaves

    def forward(self, X: Tensor) -> Tensor:
        """The model's own, on the leaves as they are now."""
        for name, leaf in zip(self._names, self._leaves, strict=True):
            setattr(self._model, name, leaf.t())
        return self._model.forward(X)


@dataclass(frozen=True)
class Optimizers:
    """The optimizers of `scratch` or `builtin`: the piece that updates by the case's own rule."""

    package: ModuleType
    rule: UpdateRule = UpdateRule()  # noqa: RUF009 - it is frozen

    def __call__(self, parameters: list[Tensor], lr: float) -> Optimizer:
        """The optimizer of this rule over the parameters."""
        made = getattr(self.package, OPTIMIZERS[self.rule.name])
        return ObjectSGD(partial(made, **dict(self.rule.settings)), parameters, lr)


class ObjectSGD:
    """An optimizer object whose `step()` takes no batch length."""

    def __init__(self, sgd: Callable[..., Any], parameters: list[Tensor], lr: float) -> None:
        self.sgd = sgd(parameters, lr)

    def step(self, batch_length: int) -> None:
        """Update from a gradient that is a mean already."""
        del batch_length
        self.sgd.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.sgd.zero_grad()


def functional(package: ModuleType) -> Recipe:
    """The functional form of `scratch` or `builtin`: ½ squares, summed gradient."""

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
        convention=Convention(half=True, reduction="none"),
        batches=lambda features, labels, size, generator: _FreshEachEpoch(
            lambda: package.data_iter(size, features, labels, generator)
        ),
        init=package.init_params,
        model=lambda d: Functional(package.linreg, package.init_params(d)),
        loss=package.squared_loss,
        optimizer=lambda parameters, lr: FunctionalSGD(package.sgd, parameters, lr),
        clip=package.clip_gradients,
        loop=loop,
        stepper=stepper,
    )


class _FreshEachEpoch:
    """Calls the iterator function anew for every epoch, as the functional loop does."""

    def __init__(self, start: Callable[[], Iterator[Batch]]) -> None:
        self.start = start

    def __iter__(self) -> Iterator[Batch]:
        return self.start()


def objects(package: ModuleType, *, half: bool) -> Recipe:
    """The object form of `scratch` or `builtin`; `half` keeps the ½ of the book."""

    def model(d: int, hidden: int = 0) -> Model:
        if not hidden:
            return package.LinearRegression(d, lr=1.0)  # type: ignore[no-any-return]
        made = package.MLP(d, hidden, lr=1.0)
        return made if isinstance(made, nn.Module) else InputsFirst(made)

    def loop(side: Side) -> None:
        _trainer(package, side).fit(side, side)

    def stepper(side: Side) -> Callable[[Batch], None]:
        trainer = _trainer(package, side)
        trainer.prepare(side, side)
        return trainer.fit_batch  # type: ignore[no-any-return]

    return Recipe(
        name=f"{package.__name__} ({'object' if half else 'mse'})",
        convention=Convention(half=half, reduction="mean"),
        batches=lambda features, labels, size, generator: package.BatchLoader(
            features, labels, size, generator=generator
        ),
        init=lambda d: list(package.LinearRegression(d, lr=1.0).parameters()),
        model=model,
        loss=package.LinearRegression(1, lr=1.0).loss if half else package.MSE(),
        optimizer=Optimizers(package),
        clip=package.clip_gradients,
        loop=loop,
        stepper=stepper,
    )


def _trainer(package: ModuleType, side: Side) -> Any:
    return package.Trainer(side.case.epochs, side.case.clip, side.case.micro_batch_size)


def _forms(package: ModuleType) -> dict[Form, Recipe]:
    with torch.random.fork_rng(devices=[]):  # an import draws nothing from its user's generator
        return {
            "functional": functional(package),
            "object": objects(package, half=True),
            "mse": objects(package, half=False),
        }


def written_by_hand() -> str:
    """The functional form of `scratch` as one file, as somebody might hand it in."""
    pieces = (
        *(scratch.data_iter, scratch.init_params, scratch.linreg, scratch.squared_loss),
        *(scratch.sgd, scratch.train_batch, scratch.train),
    )
    head = "from __future__ import annotations\nimport math\nimport torch\nfrom torch import Tensor"
    return "\n\n".join([head, *(inspect.getsource(piece) for piece in pieces)])


SCRATCH = _forms(scratch)
BUILTIN = _forms(builtin)


@dataclass(frozen=True)
class Footing:
    """Both sides for answers that follow a convention, and the form of the cases they train on."""

    form: Form
    scratch: Recipe
    builtin: Recipe

    @property
    def sides(self) -> tuple[Recipe, Recipe]:
        """Both."""
        return self.scratch, self.builtin


@lru_cache(maxsize=8)
def footing(convention: Convention) -> Footing:
    """The two sides that follow a convention: one of the three forms, or squares per example."""
    if convention.reduction == "mean":
        form: Form = "object" if convention.half else "mse"
        return Footing(form, SCRATCH[form], BUILTIN[form])
    scratch_side, builtin_side = SCRATCH["functional"], BUILTIN["functional"]
    if not convention.half:
        scratch_side, builtin_side = (
            replace(side, convention=convention, loss=partial(_twice, side.loss))
            for side in (scratch_side, builtin_side)
        )
    return Footing("functional", scratch_side, builtin_side)


def _twice(half: Loss, y_hat: Tensor, y: Tensor) -> Tensor:
    """Squares per example (m, 1), out of ½ squares."""
    return 2 * half(y_hat, y)


def pairs() -> list[dict[str, str]]:
    """Every public name that both packages have, with what each side follows."""
    return [
        {"name": name, "scratch": _source(scratch, name), "builtin": _source(builtin, name)}
        for name in sorted(scratch.__all__, key=str.lower)
    ]


def _source(package: ModuleType, name: str) -> str:
    """What the docstring gives as its source; where it gives none, what it says at first."""
    text = inspect.getdoc(getattr(package, name)) or ""
    first, _, source = text.partition("Source: ")
    return " ".join((source or first.partition("\n")[0]).split())
