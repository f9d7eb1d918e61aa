"""How a file writes its tensors and trains, where the contract leaves it open or differs.

Only the facts; `fitting` finds them out, and makes recipes that meet them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import torch
from torch import Tensor

from harness.answers.component import Piece
from harness.answers.theta import Theta

Weight = Literal["column", "flat", "row"]


@dataclass
class Habits:
    """What a loop was seen to do in its first step.

    `scale` is its gradient over that of the mean squared error of `rows`, `length` what the update
    was told to divide by. `inlined` names what the loop does itself instead of calling a piece;
    `whole` says that it takes all rows at once, and has no number of rows to take.
    """

    scale: float | None = None
    length: int = 1
    rows: int = 0
    inlined: set[str] = field(default_factory=set)
    whole: bool = False


@dataclass(frozen=True)
class Manner:
    """What a file does throughout.

    `weight` is the shape of w: (d, 1), (d,) or (1, d). `flat` says that predictions of shape (m,)
    fit the file's own loss, `flat_features` that its only feature has no axis; `theta` how one
    parameter stands for both. `per_example` tells
    a loss for each row from a mean, `per_example_of` each of a file's losses by its role; `divides`
    an update that divides by the batch length, None where there is none to try; `clears` says which
    gradients the update clears, w before b. `averages` says that the file's loop takes the mean of
    a loss per example, and that its update does not divide; `returns` that the file uses what its
    update returns; `once` that what `data_iter` gives can be gone through once. `flat_class` and
    `class_mean` are the same for the model class.
    """

    weight: Weight = "column"
    scalar_bias: bool = False
    flat: bool = False
    flat_labels: bool = False
    flat_features: bool = False
    theta: Theta | None = None
    numpy: bool = False
    per_example: bool | None = None
    per_example_of: Mapping[str, bool | None] = field(default_factory=dict)
    divides: bool | None = None
    clears: tuple[bool, bool] = (False, False)
    averages: bool = False
    returns: bool = False
    once: bool = True
    flat_class: bool = False
    class_mean: bool = True
    habits: Habits | None = None

    def leaves(self, d: int, like: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Parameters of zeros in the file's shapes, of the dtype of `like`."""
        shape = {"column": (d, 1), "flat": (d,), "row": (1, d)}[self.weight]
        dtype = None if like is None else like.dtype
        bias = torch.zeros(() if self.scalar_bias else (1,), dtype=dtype)
        return torch.zeros(shape, dtype=dtype), bias

    def labels(self, y: Tensor) -> Tensor:
        """Labels in the file's shape: (n,) where its own are."""
        return y.reshape(-1) if self.flat_labels else y

    def features(self, X: Tensor) -> Tensor:
        """Features in the file's shape: (n,) where its only one is so, or beside ones."""
        if self.theta:
            return self.theta.with_ones(X)
        return X.reshape(-1) if self.flat_features and X.shape[1] == 1 else X

    def canonical(self, X: Tensor) -> Tensor:
        """Features in the file's shape as (m, d)."""
        X = X.reshape(len(X), -1)
        return self.theta.without_ones(X) if self.theta else X


class File(Protocol):
    """What running and judging the pieces of an answer needs to know of it."""

    pieces: dict[str, Piece]
    namespace: dict[str, Any]
    manner: Manner
