"""Finds out the manner of an answer, and makes recipes that meet it.

A file may write w as (d,) throughout, keep its data in NumPy, or take the mean in the loop: right
as a whole, though not piece by piece as the contract words it. What a file does is seen when it
runs, or tried on a few rows. Recipes hand each piece its arguments in the file's manner; what comes
back is not beautified, but for one case: where w is (d,) in the file *and* its own loss fits
predictions of shape (m,), these stand for (m, 1). A wrong shape of any other origin stays visible.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from harness.answers import adapters, loop, object_form
from harness.answers.adapters import EachEpoch
from harness.answers.budget import TRIAL_SECONDS, OutOfTimeError, limited
from harness.answers.calls import Shown
from harness.answers.component import Piece, codes
from harness.answers.fit_class import FitData
from harness.answers.style import File, Manner
from harness.answers.top_level import Loop
from harness.engine.components import (
    DATA_ITERATOR,
    INITIALISATION,
    LOOP,
    LOSS,
    MODEL,
    OPTIMIZER,
    Component,
    DataIterator,
    Initialisation,
    Optimizer,
)
from harness.engine.components import Loop as LoopComponent
from harness.engine.components import Loss as LossComponent
from harness.engine.components import Model as ModelComponent
from harness.engine.components.contract import component_of
from harness.engine.components.loss import HALF_SQUARES, SQUARES
from harness.engine.components.role import CLASSES, MODEL_CLASS, OPTIMIZER_CLASS
from harness.engine.pieces import Functional
from harness.engine.recipe import Convention, Model, Recipe
from harness.pairs.linear import SCRATCH

_ROWS, _FEATURES = 7, 3


class Answer(File, Protocol):
    """What is needed of an answer."""

    loop: Loop | None
    notes: list[str]
    used: frozenset[str]

    @property
    def settings(self) -> dict[str, Any]:
        """The numbers that the file's own loop has for itself."""

    def has(self, component: str) -> bool:
        """Whether there is more than a stub of a component."""

    def as_used(self, component: str) -> AbstractContextManager[object]:
        """The names of the file as they were when a component was used."""


@dataclass
class Seen:
    """Watches the functions of a file while it runs; `components` are the names to watch.

    `reached` are all names as the first call of each found them.
    """

    components: dict[str, str]
    reached: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: dict[str, Shown] = field(default_factory=dict)
    spied: dict[int, Callable[..., Any]] = field(default_factory=dict)
    spies: list[Callable[..., Any]] = field(default_factory=list)  # alive, so that no id returns

    def watch(self, namespace: dict[str, Any]) -> None:
        """Watch what has been defined under the names by now."""
        for name, component in self.components.items():
            value = namespace.get(name)
            if callable(value) and not isinstance(value, type) and id(value) not in self.spied:
                spy = self._spy(component, value, namespace)
                self.spied[id(spy)] = value
                self.spies.append(spy)
                namespace[name] = spy

    def release(self, *namespaces: dict[Any, Any]) -> None:
        """Put the functions themselves back under all names."""
        for namespace in namespaces:
            for name, value in namespace.items():
                if id(value) in self.spied:
                    namespace[name] = self.spied[id(value)]

    def _spy(
        self, component: str, function: Callable[..., Any], namespace: dict[str, Any]
    ) -> Callable[..., Any]:
        @functools.wraps(function)
        def spy(*args: Any, **kwargs: Any) -> Any:
            if component not in self.reached:
                self.reached[component] = dict(namespace)
            result = function(*args, **kwargs)
            self.calls.setdefault(component, Shown(args, kwargs))
            return result

        return spy


# names that say nothing of a factor
_NEUTRAL = ("loss", "loss_fn", "criterion", "loss_function", "loss_func", "compute_loss", "cost")


def settle_loss(answer: Answer) -> None:
    """A mean whose name leaves it open is judged with the ½ or without, as it has it."""
    piece = answer.pieces.get(HALF_SQUARES.name)
    if piece is None or piece.name not in _NEUTRAL or SQUARES.name in answer.pieces or piece.stub:
        return
    y_hat, y = torch.full((_ROWS, 1), 3.0), torch.ones(_ROWS, 1)
    loss = _attempt(lambda: piece(y_hat=y_hat, y=y))
    if isinstance(loss, Tensor) and loss.numel() == 1 and _near(float(loss), 4.0):
        del answer.pieces[HALF_SQUARES.name]
        answer.pieces[SQUARES.name] = replace(piece, role=SQUARES)


def lacks_bias(piece: Piece) -> bool:
    """Whether a model or a loop has a weight and no bias."""
    if piece.arguments is None or isinstance(piece.function, FitData):
        return False
    kinds = {*piece.arguments.values(), *piece.names.values()}
    return "w" in kinds and not {"b", "params", "theta"} & kinds and not piece.guessed


def manner_of(answer: Answer, seen: Seen) -> Manner:
    """Find out what a file does; notes go to the answer, and its manner as far as it is known."""
    manner = _parameters(answer, seen)
    manner = replace(manner, numpy=_in_numpy(answer, seen))
    each = _per_example(answer, manner)
    manner = replace(manner, per_example=next(iter(each.values()), None), per_example_of=each)
    divides, clears = _update(answer)
    manner = replace(manner, divides=divides, clears=clears, once=_once(answer, manner))
    flat_labels = answer.loop.flat_labels if answer.loop else manner.flat
    manner = replace(manner, flat_labels=flat_labels)
    if script := answer.loop:
        manner = replace(manner, flat_features=script.flat_features, theta=script.theta)
    manner = replace(manner, returns=OPTIMIZER.name in answer.used)
    answer.manner = _with_class(answer, manner)
    return _with_loop(answer, answer.manner)


def _with_class(answer: Answer, manner: Manner) -> Manner:
    """The manner, and how the model class writes its predictions and its loss."""
    if not answer.has(MODEL_CLASS.name):
        return manner
    piece = answer.pieces[MODEL_CLASS.name]
    flat_labels = manner.flat_labels or getattr(answer.namespace.get("labels"), "ndim", 2) == 1
    flat = bool(_attempt(lambda: object_form.predicts_flat(piece, flat_labels=flat_labels)))
    y_hat, y = torch.full((_ROWS, 1), 2.0), torch.ones(_ROWS, 1)
    loss = _attempt(lambda: object_form.loss(piece, flat=flat)(y_hat, y))
    mean = not isinstance(loss, Tensor) or loss.numel() == 1
    found = replace(manner, flat_class=flat, class_mean=mean)
    if answer.has(MODEL.name):
        return found
    model = _attempt(lambda: object_form.OwnModel(piece, _FEATURES, flat=flat))
    is_flat = model is not None and model.leaves[0].ndim == 1
    per_example = manner.per_example if _loss_piece(answer) else not mean
    return replace(found, weight="flat" if is_flat else "column", per_example=per_example)


def _with_loop(answer: Answer, manner: Manner) -> Manner:
    """The manner, and what the loop of the file does."""
    if not answer.has(LOOP.name):
        return manner
    base = SCRATCH["object" if manner.per_example is False else "functional"]
    piece, settings = answer.pieces[LOOP.name], answer.settings
    with answer.as_used(LOOP.name):
        habits = loop.habits(answer, piece, base, loop.trial(settings))
        if habits is None:
            return manner
        if answer.loop:
            settings.setdefault("batch_size", habits.rows)
            if "num_epochs" not in settings:
                settings["num_epochs"] = loop.epochs(answer, piece, base, loop.trial(settings))
    mean = habits.scale is not None and _near(habits.scale, 0.5, 1.0)
    undivided = "update" in habits.inlined or manner.divides is False or habits.length == 1
    averages = mean and manner.per_example is not False and undivided
    return replace(manner, habits=habits, averages=averages)


def convention(answer: Answer, component: str) -> Convention:
    """The scaling under which a component of this file is to be judged.

    ½ everywhere but in `mse_loss`, in the rest of a file that has only that one, and in a loop that
    computes a loss without it by itself. A mean where the loss is one number, or the loop makes it
    one and the update does not divide.
    """
    manner, name = answer.manner, component.partition(".")[0]
    if name in {role.name for role in CLASSES}:
        return Convention(0.5, "mean" if manner.class_mean else "none")
    half = name == HALF_SQUARES.name or (
        name != SQUARES.name and (answer.has(HALF_SQUARES.name) or not answer.has(SQUARES.name))
    )
    if name == LOOP.name and manner.habits and "loss" in manner.habits.inlined:
        half = not _near(manner.habits.scale or 0.0, 1.0, float(manner.habits.rows))
    return Convention(0.5 if half else 1.0, "mean" if _is_mean(answer, name) else "none")


def _is_mean(answer: Answer, component: str) -> bool:
    manner = answer.manner
    if component == LOOP.name:
        return manner.per_example is False or manner.averages
    if component == OPTIMIZER.name:
        return _update_gets_mean(manner, answer.pieces[OPTIMIZER.name])
    per_example = manner.per_example_of.get(component, manner.per_example)
    # by the update, where the loss could not be tried
    return manner.divides is False if per_example is None else not per_example


def _update_gets_mean(manner: Manner, sgd: Piece) -> bool:
    """Whether the update is handed a mean gradient, and has not to divide it."""
    told = {*(sgd.arguments or {"": "batch_size"}).values(), *sgd.names.values()}
    alone = manner.per_example is None and not manner.habits and "batch_size" not in told
    return manner.per_example is False or alone or (manner.averages and manner.divides is False)


def recipe(answer: Answer, piece: Piece, part: str, base: Recipe, name: str) -> Recipe:
    """The base, called `name`, with this piece, or the part of this class, in its place."""
    if piece.role is MODEL_CLASS:
        made = object_form.recipe(piece, part, base, flat=answer.manner.flat_class)
    elif piece.role is OPTIMIZER_CLASS:
        made = object_form.updating(piece, base)
    else:
        made = _with_function(component_of(piece.role), answer, piece, base)
    return replace(made, name=name)


@functools.singledispatch
def _with_function(component: Component[Any], answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    """The base with a function of the file in the place of a component."""
    raise TypeError(f"{piece.name} for {component} in {base.name} of {answer}")


@_with_function.register
def _with_iterator(component: DataIterator, answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    served = functools.partial(EachEpoch, piece, numpy=answer.manner.numpy)
    return component.put_into(base, lambda X, y, size, _: served(X, y, size))


@_with_function.register
def _with_model(component: ModelComponent, answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    net = adapters.forward(piece, flat=answer.manner.flat)
    return component.put_into(base, lambda d: Functional(net, answer.manner.leaves(d)))


@_with_function.register
def _with_loss(component: LossComponent, answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    return component.put_into(base, adapters.loss(piece, flat=answer.manner.flat))


@_with_function.register
def _with_start(component: Initialisation, answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    flat = answer.manner.weight == "flat"
    return component.put_into(base, functools.partial(adapters.drawn, piece, flat=flat))


@_with_function.register
def _with_train(_: LoopComponent, answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    return loop.recipe(answer, piece, base)


@_with_function.register
def _with_update(_: Optimizer, answer: Answer, piece: Piece, base: Recipe) -> Recipe:
    """The update is told the true length of each batch."""
    manner = answer.manner
    rows = adapters.Rows(base.convention.reduction == "none")

    def optimizer(parameters: list[Tensor], lr: float) -> adapters.Update:
        return adapters.Update(piece, parameters, lr, rows.length, returns=manner.returns)

    def model(d: int) -> Model:
        return _Noted(base.model(d), rows)

    return replace(base, optimizer=optimizer, model=model)


def _near(value: float, *wanted: float) -> bool:
    return any(abs(value - w) <= 1e-3 * w for w in wanted)


def _once(answer: Answer, manner: Manner) -> bool:
    """Whether the file's batches can be gone through once: a generator, an iterator."""
    if not answer.has(DATA_ITERATOR.name):
        return True
    piece, data = (
        answer.pieces[DATA_ITERATOR.name],
        (torch.ones(_ROWS, _FEATURES), torch.ones(_ROWS, 1)),
    )
    each = EachEpoch(piece, *data, 2, numpy=manner.numpy)
    served = _attempt(each.served)
    return served is None or _attempt(lambda: iter(served)) is served


def _attempt(function: Callable[[], Any]) -> Any:
    """What a call gives, None where it raises: the fault shows again when it is judged."""
    try:
        with limited(TRIAL_SECONDS):
            return function()
    except (Exception, SystemExit, OutOfTimeError):  # noqa: BLE001 - a learner's code may raise anything
        return None


def _parameters(answer: Answer, seen: Seen) -> Manner:
    """The shapes of w and b, and whether predictions of shape (m,) fit the file's loss."""
    w, b = _first_parameters(answer, seen)
    if not isinstance(w, Tensor) or not (b is None or isinstance(b, Tensor)):
        return Manner()
    manner = Manner(scalar_bias=b is not None and b.ndim == 0)
    if w.ndim == 0:  # one feature, and everything without an axis for it
        return replace(manner, weight="flat", flat=True)
    if w.ndim == 1:
        flat = replace(manner, weight="flat", flat=_predicts_flat(answer, manner))
        if flat.flat and not _loss_fits(answer, seen):
            answer.notes.append(
                "w is of shape (d,) and predictions of shape (m,), which do not fit the loss with "
                "the labels of this file: judged with w of shape (d, 1)"
            )
            return manner
        return flat
    row = w.ndim == 2 and w.shape[0] == 1 and w.shape[1] > 1
    return replace(manner, weight="row") if row else manner


def _first_parameters(answer: Answer, seen: Seen) -> tuple[Any, Any]:
    """The w and b that the file's model was first called with, or that it draws."""
    if shown := seen.calls.get(MODEL.name):
        piece = answer.pieces[MODEL.name]
        values = {kind: answer.namespace.get(name) for name, kind in piece.names.items()}
        values |= piece.values(*shown.args, **shown.kwargs)
        return tuple(values.get("params", (values.get("w"), values.get("b"))))[:2]
    if answer.has(INITIALISATION.name):
        drawn = _attempt(lambda: answer.pieces[INITIALISATION.name](num_inputs=_FEATURES))
        drawn = tuple(drawn.values()) if isinstance(drawn, dict) else drawn
        if isinstance(drawn, tuple | list) and len(drawn) == 2:
            return drawn[0], drawn[1]
    return answer.namespace.get("w"), answer.namespace.get("b")


def _predicts_flat(answer: Answer, manner: Manner) -> bool:
    if not answer.has(MODEL.name):
        return True
    w, b = replace(manner, weight="flat").leaves(_FEATURES)
    X = torch.ones(_ROWS, _FEATURES)
    predicted = _attempt(lambda: answer.pieces[MODEL.name](X=X, w=w, b=b, params=[w, b]))
    return isinstance(predicted, Tensor) and predicted.shape == (_ROWS,)


def _loss_piece(answer: Answer) -> Piece | None:
    return next((answer.pieces[r.name] for r in LOSS.roles if answer.has(r.name)), None)


def _loss_fits(answer: Answer, seen: Seen) -> bool:
    """Whether the file's loss takes predictions (m,) with labels as the file has them."""
    piece = _loss_piece(answer)
    if piece is None:
        return True
    y = torch.ones(_ROWS, *([1] if _column_labels(answer, seen, piece) else []))
    loss = _attempt(lambda: piece(y_hat=torch.zeros(_ROWS), y=y))
    return isinstance(loss, Tensor) and loss.numel() in (1, _ROWS)


def _column_labels(answer: Answer, seen: Seen, piece: Piece) -> bool:
    shown = seen.calls.get(piece.role.name)
    labels = piece.values(*shown.args, **shown.kwargs).get("y") if shown else None
    if labels is None:
        labels = answer.namespace.get("labels")
    return getattr(labels, "ndim", 2) == 2  # (n, 1), the contract's, where none are there


def _in_numpy(answer: Answer, seen: Seen) -> bool:
    """Whether the file's iterator is given NumPy arrays."""
    shown = seen.calls.get(DATA_ITERATOR.name)
    if not shown or DATA_ITERATOR.name not in answer.pieces:
        return False
    return any(isinstance(v, np.ndarray) for v in (*shown.args, *shown.kwargs.values()))


def _per_example(answer: Answer, manner: Manner) -> dict[str, bool | None]:
    """Whether each loss of the file, by its role, is one for each row; None where it raises."""
    each: dict[str, bool | None] = {}
    for role in LOSS.roles:
        if answer.has(role.name):
            piece = answer.pieces[role.name]
            y_hat, y = torch.full((_ROWS, 1), 2.0, requires_grad=True), torch.ones(_ROWS, 1)
            loss = _attempt(lambda: adapters.loss(piece, flat=manner.flat)(y_hat, y))  # noqa: B023
            each[role.name] = loss.numel() > 1 if isinstance(loss, Tensor) else None
    return each


def _update(answer: Answer) -> tuple[bool | None, tuple[bool, bool]]:
    """Whether the file's update divides by the batch length, and which gradients it clears.

    A parameter that it does not move counts as cleared: that fault is the update's alone.
    """
    if not answer.has(OPTIMIZER.name):
        return None, (False, False)
    piece = answer.pieces[OPTIMIZER.name]
    said = _says_clear(piece)
    changes = []
    for length in (1, 4):
        params = [torch.ones(2, 1, requires_grad=True), torch.ones(1, requires_grad=True)]
        for p in params:
            p.grad = torch.ones_like(p)
        step = functools.partial(adapters.stepped, piece, params, 0.5, length, returns=False)
        if _attempt(lambda: (step(),)) is None:  # noqa: B023 - called at once
            return None, (said, said)
        changes.append(float(params[0].detach().flatten()[0]) - 1)
    w, b = (_cleared(p) for p in params)
    return changes[0] != changes[1], (w, b)


def _cleared(parameter: Tensor) -> bool:
    moved = bool((parameter.detach() != 1).any())
    return parameter.grad is None or not parameter.grad.any() or not moved


def _says_clear(piece: Piece) -> bool:
    """Whether an update that cannot be tried has code that clears gradients."""
    names = {name for code in codes(piece.function) for name in code.co_names}
    return bool(names & {"zero_", "zero_grad"})


class _Noted:
    """A model that notes how many rows it predicted for."""

    def __init__(self, model: Model, rows: adapters.Rows) -> None:
        self.model = model
        self.forward = rows.noting(model.forward)

    def parameters(self) -> Iterable[Tensor]:
        """The model's own leaves."""
        return self.model.parameters()
