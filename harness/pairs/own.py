"""Recipes of one's own: any module, loss and optimizer, on data that are given.

    mine = recipe(model=MyNet, loss=my_loss, optimizer=MyAdam)
    theirs = recipe(model=Net, loss=nn.HuberLoss(), optimizer=torch.optim.Adam)
    compare(mine, theirs, data=(X, y), epochs=3)

Nothing is said of shapes: the reference is run once to find them. Both sides start from the values
of a fresh model of the reference, matched in the order of its `named_parameters`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypedDict, Unpack, cast

import torch
from torch import Tensor, nn

from harness.engine.case import Case, Data
from harness.engine.pair import Pair, Shapes, Sides
from harness.engine.pieces import ObjectSGD
from harness.engine.recipe import Batch, Convention, Loss, Model, Optimizer, Recipe, Side
from harness.errors import InputError
from harness.pairs.sides import builtin

LOOKED_AT = 8  # rows on which shapes and the convention of a loss are found
_WHOLE = 1e-9  # what a loss may be off its parts, relative to their sizes, in float64

Make = Callable[[], Model]


class Settings(TypedDict, total=False):
    """What a comparison on one's own data may be told."""

    epochs: int
    batch_size: int
    lr: float
    seed: int
    clip: float
    dtype: str
    device: str


@dataclass(frozen=True, eq=False)
class OwnCase(Case):
    """A run on features X (n, ...) and labels y (n, ...) that are given.

    Floats are cast to the case's dtype, whole numbers stay. `start` makes a fresh model, whose
    values both sides start from; `model_shapes` are the shapes that it gives.
    """

    X: Tensor = field(default_factory=lambda: torch.empty(0, 1), repr=False)
    y: Tensor = field(default_factory=lambda: torch.empty(0), repr=False)
    start: Make = nn.Module
    model_shapes: Shapes = field(default_factory=lambda: Shapes((), (), (), ()))

    def settings(self) -> dict[str, object]:
        """As for every case; the start is the model's own, so that it has no size to tell."""
        return {k: v for k, v in super().settings().items() if k != "initial_std"}

    def _sizes(self) -> dict[str, object]:
        return {"features": list(self.X.shape[1:]), "labels": list(self.y.shape[1:])}

    def _of_the_data(self) -> dict[str, object]:
        return {"data": "given"}


class Own(Pair):
    """Whatever is trained on data that are given; everything stands in the case."""

    name = "own"
    title = "recipes of one's own, on given data"
    source = "given"

    @property
    def forms(self) -> dict[str, Sides]:
        """None: both sides are given."""
        return {}

    @property
    def cases(self) -> tuple[Case, ...]:
        """None without data."""
        return ()

    def widths(self, case: Case) -> tuple[int, ...]:
        """A model is made without arguments."""
        del case
        return ()

    def layout(self, case: Case) -> dict[str, tuple[int, ...]]:
        """The reference's own names and shapes, in its order."""
        return {name: tuple(value.shape) for name, value in _named(_started(case)).items()}

    def data(self, case: Case, generator: torch.Generator) -> Data:
        """The data as given; where the parameters start, a fresh model under the case's seed."""
        del generator
        case = cast("OwnCase", case)
        start = [value.detach() for value in _named(_started(case)).values()]
        return Data(case.placed(case.X), case.placed(case.y), tuple(map(case.placed, start)))

    def shapes(self, case: Case) -> Shapes:
        """As the reference gave them."""
        return cast("OwnCase", case).model_shapes

    def is_bounded(self, case: Case) -> bool:
        """Nothing is known of the model."""
        del case
        return False

    def replaced(self, recipe: Recipe) -> tuple[str, ...]:
        """What somebody gave: all but what `recipe` puts in where nothing is given."""
        ours = {"batches": _batches, "clip": builtin.clip_gradients, "loop": _loop}
        given = [name for name, piece in ours.items() if getattr(recipe, name) is not piece]
        return ("model", "loss", "optimizer", *given)

    def follows(self, convention: Convention) -> Sides:
        """No sides of ours follow it."""
        raise InputError(f"no sides follow {convention}: both recipes are given.")


OWN = Own()
OwnCase.pair = OWN


def recipe(
    *,
    model: Model | Make,
    loss: Loss,
    optimizer: Callable[..., Any] = torch.optim.SGD,
    clip: Callable[[list[Tensor], float], object] | None = None,
    batches: Callable[[Tensor, Tensor, int, torch.Generator], Iterable[Batch]] | None = None,
    name: str | None = None,
) -> Recipe:
    """A side made of one's own pieces, trained by the built-in loop.

    `model` is a class or function without arguments, or an instance, of which every run gets a
    copy. `loss(y_hat, y)` is a number, or a number per example: then its sum is trained.
    `optimizer` is a class of `torch.optim`, a `functools.partial` of one, or any callable
    `(parameters, lr)` that gives something with `step()` and `zero_grad()`; an lr bound in a
    partial is kept. `clip(parameters, max_norm)` scales gradients in place where a comparison has a
    `clip`. `batches(X, y, batch_size, generator)` is iterated once an epoch; by default
    `builtin.BatchLoader`. How the loss is reduced is found when there are data.

    Raises InputError for pieces that cannot be called.
    """
    for piece, value in {"loss": loss, "optimizer": optimizer}.items():
        if not callable(value):
            raise InputError(f"{piece} is {value!r}; it must be something that can be called.")
    return Recipe(
        name=name or f"{_called(model)} with {_called(loss)} by {_called(optimizer)}",
        convention=Convention(),
        batches=batches or _batches,
        init=lambda: list(_maker(model)().parameters()),
        model=_maker(model),
        loss=_InAnyDtype(loss) if isinstance(loss, nn.Module) else loss,
        optimizer=partial(_updating, optimizer),
        clip=clip or builtin.clip_gradients,
        loop=_loop,
        stepper=_stepper,
        pair=OWN,
    )


def prepared(
    subject: Recipe | None,
    reference: Recipe | None,
    data: tuple[Tensor, Tensor],
    **settings: Unpack[Settings],
) -> tuple[Recipe, Recipe, OwnCase]:
    """Both sides with the conventions that their losses follow on these data, and their case.

    Raises InputError where the data or a side cannot be trained.
    """
    if subject is None or reference is None:
        raise InputError("data= needs two recipes; give compare(subject, reference, data=(X, y)).")
    X, y = _checked(data)
    all_settings: Settings = {"lr": 0.01, **settings}
    case = OwnCase(
        "own",
        "recipes of one's own",
        num_examples=len(X),
        X=X,
        y=y,
        start=reference.model,
        **all_settings,
    )
    _clipped_at_all(case, subject, reference)
    theirs, shapes = _looked_at(case, reference, "reference")
    ours, _ = _looked_at(case, subject, "subject")
    _laid_out_alike(subject.model(), reference.model())
    case = replace(case, model_shapes=shapes)
    return (replace(subject, convention=ours), replace(reference, convention=theirs), case)


# ---- pieces


class _InAnyDtype:
    """A loss module whose own tensors (class weights) follow the predictions' dtype and device."""

    def __init__(self, module: nn.Module) -> None:
        self._module = module
        self._copies: dict[tuple[torch.dtype, torch.device], nn.Module] = {}

    def __call__(self, y_hat: Tensor, y: Tensor) -> Tensor:
        key = (y_hat.dtype, y_hat.device)
        if key not in self._copies:
            self._copies[key] = copy.deepcopy(self._module).to(y_hat.device, y_hat.dtype)
        return self._copies[key](y_hat, y)  # type: ignore[no-any-return]


def _maker(model: Model | Make) -> Make:
    if isinstance(model, nn.Module):
        return partial(copy.deepcopy, model)
    if not callable(model):
        raise InputError(
            f"model is {model!r}; it must be a module, or a class or function that makes one."
        )
    return model


def _updating(kind: Callable[..., Any], parameters: list[Tensor], lr: float) -> Optimizer:
    """The optimizer over the parameters; an lr that is bound already stays."""
    if isinstance(kind, partial) and "lr" in kind.keywords:
        return ObjectSGD(lambda values, _lr: kind(values), parameters, lr)
    return ObjectSGD(kind, parameters, lr)


def _batches(
    features: Tensor, labels: Tensor, size: int, generator: torch.Generator
) -> Iterable[Batch]:
    return builtin.BatchLoader(  # type: ignore[no-any-return]
        features, labels, size, generator=generator
    )


class _Summed:
    """A side whose loss per example is trained by its sum; everything else is the side's own."""

    def __init__(self, side: Side) -> None:
        self._side = side

    def __getattr__(self, name: str) -> Any:
        return getattr(self._side, name)

    def training_step(self, batch: Batch) -> Tensor:
        """The loss of one batch, as a number."""
        return self._side.training_step(batch).sum()


def _trainer(side: Side) -> Any:
    return builtin.Trainer(side.case.epochs, side.case.clip, clip=side.clip)


def _loop(side: Side) -> None:
    _trainer(side).fit(_Summed(side), side)


def _stepper(side: Side) -> Callable[[Batch], None]:
    trainer = _trainer(side)
    trainer.prepare(_Summed(side), side)
    return trainer.fit_batch  # type: ignore[no-any-return]


def _called(piece: object) -> str:
    """What a piece is called: its own name, or that of its class."""
    if isinstance(piece, partial):
        return _called(piece.func)
    return str(getattr(piece, "__name__", type(piece).__name__))


# ---- what is found by running a side once


def _started(case: Case) -> Model:
    """A fresh model of the reference, drawn under the case's seed; no generator is moved."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(case.seed)
        return cast("OwnCase", case).start()


def _named(model: Model) -> dict[str, Tensor]:
    """The parameters by name, in the model's order."""
    if isinstance(model, nn.Module):
        return dict(model.named_parameters())
    return {str(i): value for i, value in enumerate(model.parameters())}


def _checked(data: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    try:
        X, y = (torch.as_tensor(part).detach() for part in data)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"data must be features and labels, (X, y): {error}") from error
    if X.ndim < 2 or y.ndim < 1:
        raise InputError(
            f"data are features {tuple(X.shape)} with labels {tuple(y.shape)}; they must be "
            "(n, ...) of two axes or more, and (n, ...)."
        )
    if len(X) != len(y) or not len(X):
        raise InputError(f"data are {len(X)} rows of features with {len(y)} labels.")
    return X, y


def _clipped_at_all(case: Case, *sides: Recipe) -> None:
    own = [side.name for side in sides if side.clip is not builtin.clip_gradients]
    if own and not case.clip:
        raise InputError(f"the clip of {own[0]} would never be called; give compare a clip=….")


def _looked_at(case: OwnCase, side: Recipe, role: str) -> tuple[Convention, Shapes]:
    """How a side reduces its loss, and its shapes, from one step on the first rows in float64."""
    X, y = (
        part[:LOOKED_AT].double() if part.is_floating_point() else part[:LOOKED_AT]
        for part in (case.X, case.y)
    )
    try:
        model = replace(case, start=side.model, dtype="float64")
        made = _started(model)
        if isinstance(made, nn.Module):
            made.double()
        y_hat = made.forward(X)
        loss = side.loss(y_hat, y)
        loss.sum().backward()
    except Exception as error:
        raise InputError(
            f"the {role} {side.name} cannot do a step on the data in float64 "
            f"({type(error).__name__}: {error})."
        ) from error
    if not y_hat.ndim or len(y_hat) != len(X):
        raise InputError(
            f"the {role} {side.name} predicts {tuple(y_hat.shape)} of {len(X)} rows; the first "
            "axis must be the rows."
        )
    idle = [name for name, value in _named(made).items() if value.grad is None]
    if idle:
        raise InputError(
            f"the {role}'s parameter {idle[0]!r} gets no gradient from the loss; give a model all "
            "of whose parameters are trained."
        )
    example = loss.shape[1:] if loss.ndim else ()
    shapes = Shapes(*(tuple(part) for part in (X.shape[1:], y.shape[1:], y_hat.shape[1:], example)))
    return Convention(1.0, _reduction(side.loss, y_hat.detach(), y)), shapes


def _reduction(loss: Loss, y_hat: Tensor, y: Tensor) -> Any:
    """Whether a loss is per example, the sum of those of its parts, or their mean by rows.

    "mean" too where it is neither, such as a mean by class weights: both sides then have the same.
    """
    whole = loss(y_hat, y)
    if whole.ndim:
        return "none"
    rows, first = len(y_hat), len(y_hat) // 3
    if not first:
        return "mean"
    parts = (loss(y_hat[:first], y[:first]), loss(y_hat[first:], y[first:]))
    mean = (parts[0] * first + parts[1] * (rows - first)) / rows
    apart = [float((value - whole).abs()) for value in (sum(parts), mean)]
    size = float(sum(part.abs() for part in parts)) * _WHOLE
    return "sum" if apart[0] <= size < apart[1] else "mean"


def _laid_out_alike(subject: Model, reference: Model) -> None:
    """InputError unless both have parameters, and running statistics, of the same shapes."""
    for what, names in (("parameters", _named), ("running statistics", _floats)):
        shapes = [[tuple(v.shape) for v in names(side).values()] for side in (subject, reference)]
        if shapes[0] != shapes[1]:
            raise InputError(
                f"the subject's {what} are {shapes[0]}, the reference's {shapes[1]}; they are "
                "matched in this order and must have the same shapes."
            )


def _floats(model: Model) -> dict[str, Tensor]:
    if not isinstance(model, nn.Module):
        return {}
    return {name: b for name, b in model.named_buffers() if b.is_floating_point()}
