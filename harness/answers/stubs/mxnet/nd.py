"""`mxnet.nd`: the classic API; what is not here is torch's function by that name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

import harness.answers.stubs.mxnet.draws as random
from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.creation import (
    arange,
    array,
    dot,
    empty,
    expand_dims,
    eye,
    full,
    joined,
    linspace,
    mean,
    ones,
    ones_like,
    reshape,
    take,
    transpose,
    waitall,
    zeros,
    zeros_like,
)
from harness.answers.stubs.mxnet.draws import normal as random_normal
from harness.answers.stubs.mxnet.draws import shuffle
from harness.answers.stubs.mxnet.draws import uniform as random_uniform
from harness.answers.stubs.mxnet.fallback import of_torch

__all__ = [
    "NDArray",
    "arange",
    "array",
    "broadcast_add",
    "concat",
    "concatenate",
    "dot",
    "empty",
    "expand_dims",
    "eye",
    "full",
    "linspace",
    "mean",
    "ones",
    "ones_like",
    "random",
    "random_normal",
    "random_uniform",
    "reshape",
    "shuffle",
    "stack",
    "take",
    "transpose",
    "waitall",
    "zeros",
    "zeros_like",
]


def concat(*data: Tensor, dim: int = 1) -> NDArray:
    """Arrays one after the other, the columns side by side unless told otherwise."""
    return joined(data, dim)


def concatenate(arrays: Sequence[Tensor], axis: int = 0, **_: Any) -> NDArray:
    """Arrays one after the other."""
    return joined(arrays, axis)


def stack(*data: Tensor, axis: int = 0) -> NDArray:
    """Arrays as the slices of one."""
    return array_of(torch.stack(data, axis))


def broadcast_add(lhs: Tensor, rhs: Tensor) -> NDArray:
    """The sum."""
    return array_of(lhs + rhs)


def __getattr__(name: str) -> Any:
    return of_torch(name, "mxnet.nd")
