"""The object form of an answer: a model class that knows its loss, and an optimizer class.

Each part of the model class is judged for itself: what `__init__` draws, what `forward` predicts
from right parameters, what `loss` computes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from harness.answers.adapters import as_column
from harness.answers.arguments import KINDS
from harness.answers.component import Piece
from harness.engine.recipe import Optimizer, Recipe


def parameters(model: Any) -> dict[str, Tensor]:
    """The weight and the bias of an instance by the names of its attributes, weight first.

    Raises TypeError where there are not two tensors that could be these.
    """
    held = {**vars(model), **getattr(model, "_parameters", {})}
    slots = (n for kind in type(model).__mro__ for n in getattr(kind, "__slots__", ()))
    held |= {name: getattr(model, name) for name in slots if hasattr(model, name)}
    tensors = {name: value for name, value in held.items() if isinstance(value, Tensor)}
    w = next((name for name in KINDS["w"] if name in tensors), None)
    b = next((name for name in KINDS["b"] if name in tensors), None)
    if w is None or b is None:
        trained = [n for n, t in tensors.items() if t.requires_grad] or [*tensors]
        w, b = [*sorted(trained, key=lambda n: -tensors[n].numel()), None, None][:2]
    if w is None or b is None:
        raise TypeError(f"{type(model).__name__} has no weight and bias among its attributes")
    return {w: tensors[w], b: tensors[b]}


def put(model: Any, name: str, value: Any) -> None:
    """Set an attribute, also one that a module has registered."""
    registered = getattr(model, "_parameters", {})
    if name in registered:
        registered[name] = value
    else:
        object.__setattr__(model, name, value)


class OwnModel:
    """An answer's model with parameters that are right: its forward pass, judged for itself.

    `flat` says that predictions of shape (m,) fit its own loss.
    """

    def __init__(self, piece: Piece, d: int, *, flat: bool) -> None:
        self.instance = piece(num_inputs=d, lr=0.1, sigma=0.01)
        self.piece = piece
        self.flat = flat
        self.leaves = []
        for name, value in parameters(self.instance).items():
            self.leaves.append(nn.Parameter(value.detach().clone()))
            put(self.instance, name, self.leaves[-1])

    def parameters(self) -> Iterable[Tensor]:
        """The leaves, weight before bias."""
        return self.leaves

    def forward(self, X: Tensor) -> Any:
        """What the answer predicts."""
        predict = getattr(self.instance, "forward", self.instance)
        y_hat = predict(self.piece.handed(X))
        return as_column(y_hat, len(X)) if self.flat else y_hat


class OwnUpdate:
    """An answer's optimizer object."""

    def __init__(self, piece: Piece, leaves: list[Tensor], lr: float) -> None:
        self.leaves = leaves
        self.piece = piece
        self.sgd = piece(params=leaves, lr=lr, batch_size=1)
        self.told = bool(_required(self.sgd.step))

    def step(self, batch_length: int) -> None:
        """Update from a mean gradient; told the length only where it asks for it.

        The gradients are copies, as for `adapt.Update`.
        """
        for leaf in self.leaves:
            leaf.grad = None if leaf.grad is None else leaf.grad.clone()
        with self.piece.as_called():
            self.sgd.step(*([batch_length] if self.told else []))

    def zero_grad(self) -> None:
        """The answer's own; where it has none, the gradients are forgotten."""
        if hasattr(self.sgd, "zero_grad"):
            self.sgd.zero_grad()
            return
        for leaf in self.leaves:
            leaf.grad = None


def _required(method: Callable[..., Any]) -> Sequence[str]:
    parameters = inspect.signature(method).parameters.values()
    free = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [p.name for p in parameters if p.default is p.empty and p.kind not in free]


def loss(piece: Piece, *, flat: bool) -> Callable[[Tensor, Tensor], Tensor]:
    """The `loss(y_hat, y)` of the model class; `flat` as for `OwnModel`."""

    def computed(y_hat: Tensor, y: Tensor) -> Any:
        own = piece(num_inputs=1, lr=0.1, sigma=0.01)
        y_hat, y = piece.handed((y_hat, y))
        if not flat:
            return own.loss(y_hat, y)
        return as_column(own.loss(y_hat.reshape(-1), y.reshape(-1)), len(y_hat))

    return computed


def drawn(piece: Piece, d: int) -> list[Tensor]:
    """What the constructor of the model class draws, w as a column."""
    w, b = parameters(piece(num_inputs=d, lr=0.1, sigma=0.01)).values()
    if w.ndim == 1 and w.is_leaf:
        w = w.detach().reshape(-1, 1).requires_grad_(w.requires_grad)
    return [w, b]


def recipe(piece: Piece, part: str, base: Recipe, *, flat: bool) -> Recipe:
    """The base with a part of the model class in its place, "" for all of it."""
    made = base
    if part in ("", "__init__"):
        made = replace(made, init=partial(drawn, piece))
    if part in ("", "forward"):
        made = replace(made, model=lambda d: OwnModel(piece, d, flat=flat))
    if part in ("", "loss"):
        made = replace(made, loss=loss(piece, flat=flat))
    return made


def updating(piece: Piece, base: Recipe) -> Recipe:
    """The base with the optimizer class in its place."""

    def optimizer(leaves: list[Tensor], lr: float) -> Optimizer:
        return OwnUpdate(piece, leaves, lr)

    return replace(base, optimizer=optimizer)


class Fit:
    """A Trainer class as a training function: makes one, and has it fit a model to data."""

    def __init__(self, piece: Piece) -> None:
        self.piece = piece

    def __call__(self, num_epochs: int, lr: float, model: Any, data: Any) -> None:
        """Train."""
        trainer = self.piece(num_epochs=num_epochs, lr=lr)
        trainer.fit(model, data)


FIT_ARGUMENTS = {
    "num_epochs": "num_epochs",
    "lr": "lr",
    "model": "model",
    "data": "data_module",
}


def predicts_flat(piece: Piece, *, flat_labels: bool) -> bool:
    """Whether w is (d,) and predictions are (m,), which the class's own loss takes as they are.

    `flat_labels` says that the file's labels are (n,); else they are (n, 1), as the contract's.
    """
    model = OwnModel(piece, 3, flat=False)
    if model.leaves[0].ndim != 1 or model.forward(torch.ones(7, 3)).shape != (7,):
        return False
    y_hat, y = torch.arange(7.0), torch.arange(7.0) ** 2
    shapes = [y] if flat_labels else [y, y.reshape(-1, 1)]
    losses = [model.instance.loss(*piece.handed((y_hat, labels))) for labels in shapes]
    return torch.allclose(losses[0], losses[-1])
