"""One parameter of d + 1 rows that stands for a weight and a bias, beside a column of ones."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.answers.definitions import called_name
from harness.answers.loop_side import Pair

_JOINS = ("cat", "concat", "concatenate", "hstack", "column_stack", "c_", "stack", "vstack")


@dataclass(frozen=True)
class Theta:
    """Where the bias lies: `first` or last; whether the features have the column of ones already.

    `flat` says that the parameter is (d + 1,), not (d + 1, 1).
    """

    first: bool = False
    in_features: bool = False
    flat: bool = False

    def leaf(self, d: int, dtype: torch.dtype) -> Tensor:
        """A parameter of zeros in the file's shape."""
        shape = (d + 1,) if self.flat else (d + 1, 1)
        return torch.zeros(shape, dtype=dtype, requires_grad=True)

    def parts(self, theta: Tensor) -> Pair:
        """Weight and bias as views of the parameter, whose gradients `gradient_of` finds."""
        rows = theta.detach().reshape(-1)
        places = (slice(1, None), slice(0, 1)) if self.first else (slice(0, -1), slice(-1, None))
        w, b = (rows[place] for place in places)
        for part, place in zip((w, b), places, strict=True):
            part.part_of = (theta, place)  # type: ignore[attr-defined]
        return w, b

    def with_ones(self, X: Tensor) -> Tensor:
        """Features (n, d) as the file has them: with its column of ones."""
        if not self.in_features:
            return X
        ones = X.new_ones(len(X), 1)
        return torch.cat((ones, X) if self.first else (X, ones), 1)

    def without_ones(self, X: Tensor) -> Tensor:
        """The features themselves."""
        if not self.in_features:
            return X
        return X[:, 1:] if self.first else X[:, :-1]


def theta_of(theta: Tensor, features: Tensor, joins: Iterable[ast.AST]) -> Theta | None:
    """How a parameter stands to the features of a file (n, d), None where it is no such one.

    `joins` is the code that may put the column of ones beside the features.
    """
    width = features.shape[1] if features.ndim == 2 else 1
    flat = theta.ndim == 1
    if theta.numel() == width + 1:
        return Theta(ones_first(joins), in_features=False, flat=flat)
    if theta.numel() == width and width > 1:
        ones = (features == 1).all(0)
        if bool(ones[0]) != bool(ones[-1]):
            return Theta(bool(ones[0]), in_features=True, flat=flat)
    return None


def ones_first(joins: Iterable[ast.AST]) -> bool:
    """Whether code that joins columns has the ones before the features."""
    for call in (n for code in joins for n in ast.walk(code) if isinstance(n, ast.Call)):
        if called_name(call) in _JOINS and call.args:
            parts = getattr(call.args[0], "elts", call.args)
            ones = [k for k, part in enumerate(parts) if "ones" in ast.unparse(part)]
            if ones and len(parts) == 2:
                return ones[0] == 0
    return False
