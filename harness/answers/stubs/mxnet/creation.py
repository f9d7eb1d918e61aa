"""Functions that make arrays, and those that join them: what both APIs have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import NDArray, array_of, dtype_of

Shape = int | Sequence[int]


def shape_of(shape: Shape | None) -> tuple[int, ...]:
    """A shape, also where only a length is given, or nothing."""
    if shape is None:
        return ()
    return (shape,) if isinstance(shape, int) else tuple(shape)


def array(source: Any, ctx: object = None, dtype: Any = None, **_: Any) -> NDArray:
    """A copy of values as an array; of float32 unless another type is asked for."""
    if ctx is not None and dtype is None and _is_type(ctx):
        dtype = ctx  # `np.array(values, dtype)` has no device in between
    if isinstance(source, Tensor):
        kind = source.dtype if dtype is None else dtype_of(dtype)
        return array_of(source.detach().to(kind, copy=True))
    values = [_plain(v) for v in source] if isinstance(source, list | tuple) else source
    return array_of(torch.tensor(np.array(values), dtype=dtype_of(dtype)))


def _plain(value: Any) -> Any:
    return value.asnumpy() if isinstance(value, NDArray) else value


def _is_type(value: object) -> bool:
    return isinstance(value, str | type | np.dtype | torch.dtype)


def zeros(shape: Shape, *_: Any, dtype: Any = None, **__: Any) -> NDArray:
    """Zeros."""
    return array_of(torch.zeros(shape_of(shape), dtype=dtype_of(dtype)))


def ones(shape: Shape, *_: Any, dtype: Any = None, **__: Any) -> NDArray:
    """Ones."""
    return array_of(torch.ones(shape_of(shape), dtype=dtype_of(dtype)))


empty = zeros


def full(shape: Shape, value: float, *_: Any, dtype: Any = None, **__: Any) -> NDArray:
    """The same number everywhere."""
    return array_of(torch.full(shape_of(shape), value, dtype=dtype_of(dtype)))


def arange(start: float, stop: float | None = None, step: float = 1, **named: Any) -> NDArray:
    """Numbers in a row, of float32."""
    first, end = (0, start) if stop is None else (start, stop)
    return array_of(torch.arange(first, end, step, dtype=dtype_of(named.get("dtype"))))


def linspace(start: float, stop: float, num: int = 50, **named: Any) -> NDArray:
    """So many numbers from one to another."""
    return array_of(torch.linspace(start, stop, num, dtype=dtype_of(named.get("dtype"))))


def eye(N: int, M: int | None = None, **named: Any) -> NDArray:
    """Ones on the diagonal."""
    return array_of(torch.eye(N, M or N, dtype=dtype_of(named.get("dtype"))))


def zeros_like(data: Tensor, **_: Any) -> NDArray:
    """Zeros in the shape of another array."""
    return array_of(torch.zeros_like(data).detach())


def ones_like(data: Tensor, **_: Any) -> NDArray:
    """Ones in the shape of another array."""
    return array_of(torch.ones_like(data).detach())


def dot(a: Any, b: Any) -> NDArray:
    """The matrix product, or with a number the product."""
    both = isinstance(a, Tensor) and isinstance(b, Tensor) and a.ndim and b.ndim
    return array_of(torch.matmul(a, b) if both else a * b)


def take(data: Tensor, indices: Any, axis: int = 0, mode: str = "clip") -> NDArray:
    """Slices along an axis, by their numbers."""
    return array_of(data).take(indices, axis=axis, mode=mode)


def reshape(data: Tensor, *shape: Any, **named: Any) -> NDArray:
    """Another shape."""
    return array_of(data).reshape(*shape, **named)


def expand_dims(data: Tensor, axis: int) -> NDArray:
    """A dimension more."""
    return array_of(data).expand_dims(axis)


def transpose(data: Tensor, axes: Sequence[int] | None = None) -> NDArray:
    """The axes in another order."""
    return array_of(data).transpose(*([] if axes is None else [axes]))


def mean(data: Tensor, *args: Any, **named: Any) -> NDArray:
    """The mean."""
    return array_of(data).mean(*args, **named)


def joined(parts: Sequence[Tensor], axis: int) -> NDArray:
    """Arrays one after the other along an axis."""
    return array_of(torch.cat([array_of(p) for p in parts], axis))


def waitall() -> None:
    """Nothing is computed later."""
