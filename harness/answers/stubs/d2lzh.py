"""What an answer finds in `d2lzh`, the helpers of the book's first Chinese edition, on MXNet.

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
from torch import Tensor

from harness.answers.stubs import mxnet as mx
from harness.answers.stubs.inert import Inert
from harness.answers.stubs.mxnet import autograd, gluon, init, nd
from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.context import Context, cpu
from harness.answers.stubs.mxnet.gluon import data as gdata
from harness.answers.stubs.mxnet.gluon import loss as gloss
from harness.answers.stubs.mxnet.gluon import nn

BUILT_IN = ("linreg", "squared_loss", "sgd", "data_iter")
__all__ = [
    "autograd",
    "data_iter",
    "display",
    "gdata",
    "gloss",
    "gluon",
    "init",
    "linreg",
    "math",
    "mx",
    "nd",
    "nn",
    "np",
    "plt",
    "random",
    "semilogy",
    "set_figsize",
    "sgd",
    "squared_loss",
    "time",
    "try_gpu",
    "use_svg_display",
]
plt, display = Inert(), Inert()


def use_svg_display() -> None:
    """Draw nothing."""


def set_figsize(figsize: tuple[float, float] = (3.5, 2.5)) -> None:
    """Draw nothing."""
    del figsize


def semilogy(*_: Any, **__: Any) -> None:
    """Draw nothing."""


def try_gpu() -> Context:
    """The CPU: answers are checked there."""
    return cpu()


def data_iter(batch_size: int, features: Tensor, labels: Tensor) -> Iterator[tuple[Any, Any]]:
    """Batches in random order, built in."""
    return _batches(batch_size, features, labels)


def _batches(batch_size: int, features: Tensor, labels: Tensor) -> Iterator[tuple[Any, Any]]:
    order = random.sample(range(len(features)), len(features))
    for start in range(0, len(order), batch_size):
        rows = nd.array(order[start : start + batch_size])
        yield nd.take(features, rows), nd.take(labels, rows)


def linreg(X: Tensor, w: Tensor, b: Tensor) -> NDArray:
    """The model, built in."""
    return array_of(nd.dot(X, w) + b)


def squared_loss(y_hat: Tensor, y: Tensor) -> NDArray:
    """The loss, built in."""
    return array_of((y_hat - y.reshape(y_hat.shape)) ** 2 / 2)


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """The update, built in."""
    for param in params:
        assert param.grad is not None
        param[:] = param - lr * param.grad / batch_size


def __getattr__(name: str) -> Any:
    """Find nothing but names that do nothing."""
    if name.startswith("__"):
        raise AttributeError(name)
    return Inert()
