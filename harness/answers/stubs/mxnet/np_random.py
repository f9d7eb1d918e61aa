"""`mxnet.np.random`: the same numbers under NumPy's names."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.creation import Shape
from harness.answers.stubs.mxnet.draws import normal as drawn_normal
from harness.answers.stubs.mxnet.draws import randint as drawn_randint
from harness.answers.stubs.mxnet.draws import seed
from harness.answers.stubs.mxnet.draws import shuffle as shuffled
from harness.answers.stubs.mxnet.draws import uniform as drawn_uniform

__all__ = [
    "choice",
    "normal",
    "permutation",
    "rand",
    "randint",
    "randn",
    "seed",
    "shuffle",
    "uniform",
]


def normal(loc: float = 0, scale: float = 1, size: Shape | None = None, **named: Any) -> NDArray:
    """Numbers from a normal distribution."""
    return drawn_normal(loc, scale, size, named.get("dtype"))


def uniform(low: float = 0, high: float = 1, size: Shape | None = None, **named: Any) -> NDArray:
    """Numbers from an interval, all alike."""
    return drawn_uniform(low, high, size, named.get("dtype"))


def randn(*size: int, **_: Any) -> NDArray:
    """Standard normal numbers."""
    return normal(size=size)


def rand(*size: int, **_: Any) -> NDArray:
    """Numbers from 0 to 1."""
    return uniform(size=size)


def randint(low: int, high: int | None = None, size: Shape | None = None, **_: Any) -> NDArray:
    """Integers from an interval, its end left out."""
    first, end = (0, low) if high is None else (low, high)
    return drawn_randint(first, end, size, "int64")


def shuffle(x: Tensor) -> None:
    """Put the rows in random order, in place."""
    array_of(x)[:] = shuffled(x)


def permutation(x: int | Tensor) -> NDArray:
    """Numbers up to this one, or rows, in random order."""
    return shuffled(torch.arange(x) if isinstance(x, int) else x)


def choice(a: int | Tensor, size: Shape | None = None, replace: bool = True, **_: Any) -> NDArray:
    """Some of these, at random."""
    rows = torch.arange(a) if isinstance(a, int) else a
    count = int(torch.tensor(size if size is not None else 1).prod())
    order = torch.randint(0, len(rows), (count,)) if replace else torch.randperm(len(rows))[:count]
    return array_of(rows[order].reshape(() if size is None else size))
