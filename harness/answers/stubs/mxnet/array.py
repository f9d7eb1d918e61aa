"""MXNet's arrays: tensors of torch with the methods and habits of an NDArray.

A class of tensors, so that the arrays of an answer and the tensors of who judges it mix: whatever
is computed from an array is one, and `handed` makes one of a tensor, in place. Left out: special
codes of `reshape` but 0 and -1, and arrays of shape (1,) where the classic API has no 0-d ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from harness.answers.stubs.mxnet.context import Context, cpu
from harness.answers.stubs.mxnet.gradients import IN_PLACE, SCOPE, MXNetError, differentiate


class Size(int):
    """A number of elements, as in NumPy, that torch's own code may call for a shape."""

    shape: torch.Size

    def __new__(cls, shape: torch.Size) -> Self:
        """The number of elements of a shape."""
        made = super().__new__(cls, shape.numel())
        made.shape = shape
        return made

    def __call__(self, dim: int | None = None) -> torch.Size | int:
        """The shape, or its length along a dimension."""
        return self.shape if dim is None else self.shape[dim]


class NDArray(Tensor):
    """An array of MXNet, of either API: `mxnet.nd.NDArray` and `mxnet.np.ndarray`."""

    grad_req: str

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """What is computed from an array is one."""
        with torch._C.DisableTorchFunctionSubclass():  # noqa: SLF001 - torch's own way to do it
            return of(func(*args, **(kwargs or {})))

    # Gradients.

    def attach_grad(self, grad_req: str = "write", stype: object = None) -> None:
        """From now on a variable, with a gradient of zeros."""
        del stype
        if not self.is_leaf:
            self.detach_()
        self.grad_req = grad_req
        self.requires_grad_(grad_req != "null")
        self.grad = torch.zeros_like(self).detach() if self.requires_grad else None

    def backward(  # type: ignore[override]
        self,
        out_grad: Tensor | None = None,
        retain_graph: bool = False,
        train_mode: bool = True,
    ) -> None:
        """Differentiate the sum of the elements."""
        del train_mode
        differentiate([self], [out_grad], retain_graph=bool(retain_graph))

    # Values, and where they lie.

    def asnumpy(self) -> np.ndarray[Any, Any]:
        """A copy in NumPy."""
        return np.array(self.detach().numpy())

    def asscalar(self) -> Any:
        """The one number that it holds."""
        if self.numel() != 1:
            raise ValueError("The current array is not a scalar")
        return self.asnumpy().reshape(-1)[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        del copy
        return self.asnumpy().astype(dtype) if dtype else self.asnumpy()

    def __format__(self, spec: str) -> str:
        one = spec and self.numel() == 1
        return format(self.item(), spec) if one else format(repr(self), spec)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.unbind(0))

    @property
    def size(self) -> Size:  # type: ignore[override]
        """How many elements there are."""
        return Size(self.shape)

    @property
    def context(self) -> Context:
        """The CPU."""
        return cpu()

    ctx = context

    def as_in_context(self, context: object) -> NDArray:
        """Itself."""
        del context
        return self

    as_in_ctx = as_in_context

    def as_nd_ndarray(self) -> NDArray:
        """Itself."""
        return self

    as_np_ndarray = as_nd_ndarray

    def wait_to_read(self) -> None:
        """Nothing is computed later."""

    def copy(self) -> NDArray:
        """The same values elsewhere."""
        return array_of(self.clone())

    def __deepcopy__(self, memo: dict[int, Any]) -> NDArray:
        made = array_of(self.detach().clone())
        made.requires_grad_(self.requires_grad)
        made.grad = None if self.grad is None else self.grad.detach().clone()
        if hasattr(self, "grad_req"):
            made.grad_req = self.grad_req
        memo[id(self)] = made
        return made

    def copyto(self, other: Any) -> NDArray:
        """Overwrite another array; a copy where a device is given."""
        if not isinstance(other, Tensor):
            return self.copy()
        array_of(other)[:] = self
        return array_of(other)

    def astype(self, dtype: Any, copy: bool = True) -> NDArray:
        """The values as another type."""
        return array_of(self.to(dtype_of(dtype), copy=copy))

    # Elements.

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(_index(key))

    def __setitem__(self, key: Any, value: Any) -> None:
        if SCOPE.recording and self.requires_grad:
            raise MXNetError(IN_PLACE)
        value = torch.as_tensor(value) if isinstance(value, np.ndarray) else value
        with torch.no_grad():
            super().__setitem__(_index(key), value)

    def take(self, indices: Any, axis: int = 0, mode: str = "clip") -> NDArray:
        """Slices along an axis, by their numbers."""
        numbers = integers(indices)
        length = self.shape[axis]
        inside = numbers % length if mode == "wrap" else numbers.clamp(0, length - 1)
        picked = self.index_select(axis, inside.reshape(-1))
        shape = (*self.shape[:axis], *numbers.shape, *self.shape[axis:][1:])
        return array_of(picked.reshape(shape))

    # Shapes.

    def reshape(self, *shape: Any, **named: Any) -> NDArray:
        """Another shape; 0 is the length that a dimension has."""
        given = named.get("shape", named.get("newshape", shape))
        flat = given[0] if len(given) == 1 and not isinstance(given[0], int) else given
        known = self.shape if self.numel() else ()
        lengths = [known[at] if n == 0 and at < len(known) else n for at, n in enumerate(flat)]
        return array_of(super().reshape(lengths))

    def expand_dims(self, axis: int) -> NDArray:
        """A dimension more."""
        return array_of(self.unsqueeze(axis))

    def broadcast_to(self, shape: Any) -> NDArray:  # type: ignore[override]
        """The same values over and over."""
        return array_of(super().broadcast_to(tuple(shape)))

    def transpose(self, *axes: Any) -> NDArray:
        """The axes in another order, the opposite one where none is given."""
        if len(axes) == 2:
            return array_of(super().transpose(*axes))
        order = axes[0] if len(axes) == 1 else axes
        return array_of(self.permute(*(order or reversed(range(self.ndim)))))

    # Sums, and products.

    def dot(self, other: Tensor) -> NDArray:
        """The matrix product."""
        return array_of(torch.matmul(self, other))

    def mean(self, *args: Any, **named: Any) -> NDArray:
        """The mean, of integers too."""
        return array_of(
            Tensor.mean(self if self.is_floating_point() else self.float(), *args, **named)
        )

    def std(self, axis: Any = None, ddof: int = 0, **named: Any) -> NDArray:  # type: ignore[override]
        """The deviation, by default of these numbers and not of those they are drawn from."""
        return array_of(self.var(axis, ddof, **named).sqrt())

    def var(self, axis: Any = None, ddof: int = 0, **named: Any) -> NDArray:  # type: ignore[override]
        """Its square."""
        spread = {"correction": ddof} if named.keys() <= {"keepdims"} else {}
        return array_of(super().var(axis, **named, **spread))

    def max(self, axis: Any = None, keepdims: bool = False, **named: Any) -> Any:  # type: ignore[override]
        """The largest values, without their places."""
        plain = named or isinstance(axis, Tensor)
        if plain or axis is None:
            return super().max(*([] if axis is None else [axis]), **named)
        return self.amax(axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False, **named: Any) -> Any:  # type: ignore[override]
        """The smallest values, without their places."""
        plain = named or isinstance(axis, Tensor)
        if plain or axis is None:
            return super().min(*([] if axis is None else [axis]), **named)
        return self.amin(axis, keepdims)


def array_of(tensor: Tensor) -> NDArray:
    """A tensor as an array: the same object, which keeps its place in a graph."""
    if not isinstance(tensor, NDArray):
        if isinstance(tensor, nn.Parameter):
            vars(tensor)["_is_param"] = True  # by this torch knows one of another class
        tensor.__class__ = NDArray
    assert isinstance(tensor, NDArray)
    return tensor


def of(value: Any) -> Any:
    """A value with the tensors that it holds made arrays, themselves and not copies of them."""
    for tensor in tensors_in(value):
        array_of(tensor)
    return value


def tensors_in(value: Any) -> Iterator[Tensor]:
    """The tensors that a value is or holds."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | tuple | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from tensors_in(part)


def handed(value: Any, grad_req: str = "write") -> Any:
    """The same, for what is handed to an answer: variables come with a gradient, if of zeros."""
    for tensor in tensors_in(value):
        array = array_of(tensor)
        if array.is_leaf and array.requires_grad:
            array.grad_req = grad_req
            array.grad = torch.zeros_like(array).detach() if array.grad is None else array.grad
    return value


def dtype_of(dtype: Any) -> torch.dtype:
    """A type by whatever name, float32 where there is none."""
    if isinstance(dtype, torch.dtype):
        return dtype
    found = torch.float32 if dtype is None else getattr(torch, np.dtype(dtype).name)
    assert isinstance(found, torch.dtype)
    return found


def integers(value: Any) -> Tensor:
    """Numbers of rows, which MXNet's arrays hold as floats."""
    return torch.as_tensor(value).long()


def _index(key: Any) -> Any:
    """An index in which arrays of floats number rows."""
    if isinstance(key, tuple):
        return tuple(map(_index, key))
    array = isinstance(key, Tensor | np.ndarray)
    kept = not array or str(key.dtype).removeprefix("torch.") == "bool"
    return key if kept else integers(key)
