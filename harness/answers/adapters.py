"""Turns the pieces of an answer into callables of the shapes that a recipe is made of.

Each takes canonical tensors, X (m, d), w and b as the file writes them, y (m, 1) or (m,), and hands
on what the learner's function gives. `flat` says that the file's predictions are (m,) by its own
consistent convention: only then do they stand for (m, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.answers.component import Piece
from harness.engine.raised import ReturnedError
from harness.engine.recipe import Batch, Forward, Loss


def forward(piece: Piece, *, flat: bool) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """The answer's `net(X, w, b)`."""

    def net(X: Tensor, w: Tensor, b: Tensor) -> Any:
        predicted = piece(X=X, w=w, b=b, params=[w, b])
        return as_column(predicted, len(X)) if flat else predicted

    return net


def loss(piece: Piece, *, flat: bool) -> Loss:
    """The answer's `loss(y_hat, y)`."""

    def computed(y_hat: Tensor, y: Tensor) -> Any:
        if not flat:
            return piece(y_hat=y_hat, y=y)
        return as_column(piece(y_hat=y_hat.reshape(-1), y=y.reshape(-1)), len(y_hat))

    return computed


def as_column(value: Any, rows: int) -> Any:
    """(m,) as (m, 1), anything else as it is."""
    fits = isinstance(value, Tensor) and value.shape == (rows,)
    return value.reshape(-1, 1) if fits else value


class EachEpoch:
    """The answer's batches: its iterator is made anew whenever this is iterated."""

    def __init__(
        self, piece: Piece, features: Tensor, labels: Tensor, batch_size: int, *, numpy: bool
    ) -> None:
        self.piece, self.batch_size, self.numpy = piece, batch_size, numpy
        self.data = (features.numpy(), labels.numpy()) if numpy else (features, labels)

    def served(self) -> Any:
        """What the answer's iterator gives for one epoch."""
        features, labels = self.data
        return self.piece(
            batch_size=self.batch_size,
            features=features,
            labels=labels,
            data=self.data,
            num_examples=len(features),
        )

    def __iter__(self) -> Iterator[Batch]:
        served = self.served()
        if not hasattr(served, "__iter__") and not hasattr(served, "__getitem__"):
            kind = type(served).__name__
            raise ReturnedError(self.piece.name, kind, "something to iterate over")
        return map(_tensors, served) if self.numpy else iter(served)


def _tensors(batch: Iterable[Any]) -> Batch:
    """A batch of a file that serves NumPy arrays, as tensors."""
    X, y = (torch.as_tensor(p) if isinstance(p, np.ndarray) else p for p in batch)
    return X, y


def stepped(
    piece: Piece, params: list[Tensor], lr: float, batch_size: int, *, returns: bool
) -> None:
    """The answer's `sgd(params, lr, batch_size)`; `returns`: the file uses what it returns."""
    grads = [p.grad for p in params]
    w, b = params[:2] if len(params) > 1 else (params[0], params[0])
    result = piece(params=params, w=w, b=b, lr=lr, batch_size=batch_size, grads=grads)
    if returns and isinstance(result, Sequence) and len(result) == len(params):
        with torch.no_grad():
            for p, value in zip(params, result, strict=True):
                p.copy_(value)


class Update:
    """The answer's update as an optimizer; `rows` tells the true length of the batch."""

    def __init__(
        self,
        piece: Piece,
        parameters: list[Tensor],
        lr: float,
        rows: Callable[[int], int],
        *,
        returns: bool,
    ) -> None:
        self.piece, self._parameters, self.lr = piece, parameters, lr
        self.rows, self.returns = rows, returns

    def step(self, batch_length: int) -> None:
        """Update with the true length, also where a mean loss leaves nothing to divide.

        The gradients are copies: an update that clears them by `.data` leaves no trace in those
        that an observer holds.
        """
        rows = self.rows(batch_length)
        for parameter in self._parameters:
            parameter.grad = None if parameter.grad is None else parameter.grad.clone()
        stepped(self.piece, self._parameters, self.lr, rows, returns=self.returns)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._parameters:
            parameter.grad = None


def drawn(piece: Piece, d: int, *, flat: bool) -> list[Tensor]:
    """The answer's `init_params(num_inputs)`, weight before bias."""
    result = piece(num_inputs=d, sigma=0.01)
    values = list(result.values()) if isinstance(result, dict) else result
    if not isinstance(values, tuple | list) or len(values) != 2:
        raise ReturnedError(piece.name, type(result).__name__, "(w, b)")
    return [_leaf_column(values[0]) if flat else values[0], values[1]]


def _leaf_column(w: Any) -> Any:
    """A leaf (d,) as a leaf (d, 1); what is no leaf stays none."""
    if not isinstance(w, Tensor) or w.ndim != 1:
        return w
    if not w.is_leaf:
        return w.reshape(-1, 1)
    return w.detach().reshape(-1, 1).requires_grad_(w.requires_grad)


class Rows:
    """Notes how many rows each loss was computed for, for updates that are not told."""

    def __init__(self, convention_divides: bool) -> None:
        self.divides, self.last = convention_divides, 0

    def noting(self, fn: Forward) -> Forward:
        """The same forward pass, its rows noted."""

        def noted(X: Tensor) -> Tensor:
            self.last = len(X)
            return fn(X)

        return noted

    def length(self, batch_length: int) -> int:
        """The rows of the batch: those told where the update divides, else those noted."""
        return batch_length if self.divides else self.last or batch_length
