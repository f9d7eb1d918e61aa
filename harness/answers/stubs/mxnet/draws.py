"""`mxnet.random` and `mxnet.nd.random`: numbers drawn from torch's generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import NDArray, array_of, dtype_of
from harness.answers.stubs.mxnet.creation import Shape, shape_of

__all__ = ["normal", "randint", "randn", "seed", "shuffle", "uniform"]


def seed(seed_state: int, ctx: object = "all") -> None:
    """Start the generator anew."""
    del ctx
    torch.manual_seed(seed_state)


def normal(
    loc: float = 0, scale: float = 1, shape: Shape | None = (1,), dtype: Any = None, **_: Any
) -> NDArray:
    """Numbers from a normal distribution."""
    drawn = torch.randn(shape_of(shape), dtype=dtype_of(dtype))
    return array_of(drawn.mul_(scale).add_(loc))


def randn(*shape: int, loc: float = 0, scale: float = 1, **_: Any) -> NDArray:
    """The same, the shape before all else."""
    return normal(loc, scale, shape)


def uniform(
    low: float = 0, high: float = 1, shape: Shape | None = (1,), dtype: Any = None, **_: Any
) -> NDArray:
    """Numbers from an interval, all alike."""
    drawn = torch.rand(shape_of(shape), dtype=dtype_of(dtype))
    return array_of(drawn.mul_(high - low).add_(low))


def randint(
    low: int, high: int, shape: Shape | None = (1,), dtype: Any = "int32", **_: Any
) -> NDArray:
    """Integers from an interval, its end left out."""
    return array_of(torch.randint(low, high, shape_of(shape)).to(dtype_of(dtype)))


def shuffle(data: Tensor, **_: Any) -> NDArray:
    """The rows in random order, as an array of their own."""
    return array_of(data.detach()[torch.randperm(len(data))])
