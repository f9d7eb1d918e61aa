"""`mxnet.np`: NumPy's names; what is not here is torch's function by that name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

import harness.answers.stubs.mxnet.np_random as random
from harness.answers.stubs.mxnet.array import NDArray as ndarray  # noqa: N813 - NumPy's name
from harness.answers.stubs.mxnet.array import array_of
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
    zeros,
    zeros_like,
)
from harness.answers.stubs.mxnet.fallback import of_torch

__all__ = [
    "arange",
    "array",
    "concatenate",
    "dot",
    "e",
    "empty",
    "expand_dims",
    "eye",
    "float32",
    "float64",
    "full",
    "hstack",
    "inf",
    "int32",
    "int64",
    "linspace",
    "mean",
    "nan",
    "ndarray",
    "newaxis",
    "ones",
    "ones_like",
    "pi",
    "random",
    "reshape",
    "stack",
    "take",
    "transpose",
    "vstack",
    "zeros",
    "zeros_like",
]

pi, e, inf, nan, newaxis = np.pi, np.e, np.inf, np.nan, None
float32, float64, int32, int64 = np.float32, np.float64, np.int32, np.int64


def concatenate(seq: Sequence[Tensor], axis: int = 0, **_: Any) -> ndarray:
    """Arrays one after the other."""
    return joined(seq, axis)


def stack(arrays: Sequence[Tensor], axis: int = 0, **_: Any) -> ndarray:
    """Arrays as the slices of one."""
    return array_of(torch.stack(list(arrays), axis))


def vstack(arrays: Sequence[Tensor]) -> ndarray:
    """Arrays one below the other."""
    return array_of(torch.vstack(list(arrays)))


def hstack(arrays: Sequence[Tensor]) -> ndarray:
    """Arrays side by side."""
    return array_of(torch.hstack(list(arrays)))


def __getattr__(name: str) -> Any:
    return of_torch(name, "mxnet.np")
