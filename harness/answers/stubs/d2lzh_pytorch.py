"""What an answer finds in `d2lzh_pytorch`: the helpers of `d2lzh`, in torch.

Written anew: what its chapters on linear regression use; all else does nothing. As there, `import
*` brings along what the package itself imports.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - learners' name for it
from torch.nn import init

from harness.answers.stubs.inert import Inert

BUILT_IN = ("linreg", "squared_loss", "sgd", "data_iter")
__all__ = [
    "F",
    "FlattenLayer",
    "data_iter",
    "display",
    "init",
    "linreg",
    "math",
    "nn",
    "np",
    "plt",
    "random",
    "semilogy",
    "set_figsize",
    "sgd",
    "squared_loss",
    "time",
    "torch",
    "use_svg_display",
]
plt, display = Inert(), Inert()


class FlattenLayer(nn.Module):
    """Rows as they are, all else in one."""

    def forward(self, x: Tensor) -> Tensor:
        """(m, ...) -> (m, width)."""
        return x.reshape(len(x), -1)


def use_svg_display() -> None:
    """Draw nothing."""


def set_figsize(figsize: tuple[float, float] = (3.5, 2.5)) -> None:
    """Draw nothing."""
    del figsize


def semilogy(*_: Any, **__: Any) -> None:
    """Draw nothing."""


def data_iter(batch_size: int, features: Tensor, labels: Tensor) -> Iterator[tuple[Any, Any]]:
    """Batches in random order, built in."""
    order = torch.randperm(len(features)).split(batch_size)
    return ((features[rows], labels[rows]) for rows in order)


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """The model, built in."""
    return torch.mm(X, w) + b


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """The loss, built in."""
    return (y_hat - y.view(y_hat.size())) ** 2 / 2


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """The update, built in; as in the book, it clears nothing."""
    for param in params:
        assert param.grad is not None
        param.data -= lr * param.grad / batch_size


def __getattr__(name: str) -> Any:
    """Find nothing but names that do nothing."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Inert()
