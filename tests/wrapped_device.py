"""A second device made in Python: tensors that say they are elsewhere, and hold one on the CPU.

As on CUDA, a tensor from here meets one of the CPU in a copy only, or where that one has no
dimensions; unlike there, it has no address. Importing this takes torch's backend slot for private
use, for good and for the whole process, and lets `x.data = y` cross devices: tests start a process
of its own for it (`on_wrapped_device` in their folder).
"""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils import backend_registration

NAME = "wrapped"
backend_registration._setup_privateuseone_for_python_backend(NAME)
DEVICE = torch.device(NAME, 0)
_COPIES = frozenset({"aten::copy_", "aten::_copy_from", "aten::_to_copy"})


class MixedDevicesError(RuntimeError):
    """Tensors of two devices met in one operation."""


class WrappedTensor(Tensor):
    """A tensor of this device: shape, strides and version of its own, values `held`."""

    held: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, inner: Tensor) -> Self:
        """A tensor without storage that looks like `inner`."""
        made: Self = Tensor._make_wrapper_subclass(
            cls,
            inner.shape,
            strides=inner.stride(),
            storage_offset=inner.storage_offset(),
            dtype=inner.dtype,
            device=DEVICE,
        )
        return made

    def __init__(self, inner: Tensor) -> None:
        self.held = inner

    def __repr__(self) -> str:  # type: ignore[override]
        return f"WrappedTensor({self.held!r})"

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, _types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation on the values, and wrap what it gives."""
        return _run(func, *args, **(kwargs or {}))

    def tolist(self) -> list[Any]:
        """Plain numbers, which torch refuses to read out of a subclass."""
        return self.held.tolist()


def _run(func: Any, *args: Any, **kwargs: Any) -> Any:
    """What an operation of torch gives on this device; `MixedDevicesError` where it may not."""
    name = func._schema.name
    given = list(_tensors([*args, *kwargs.values()]))
    if name not in _COPIES:
        _refuse_mixed(name, given)
    device = kwargs.get("device")
    here = torch.device(device).type == NAME if device is not None else not _are_plain(given)
    if device is not None and here:
        kwargs["device"] = torch.device("cpu")
    result = func(*_unwrapped(args), **{key: _unwrapped(value) for key, value in kwargs.items()})
    return _wrapped(given, result) if here else result


def _are_plain(given: list[Tensor]) -> bool:
    return bool(given) and not any(isinstance(tensor, WrappedTensor) for tensor in given)


def _tensors(arguments: Iterable[Any]) -> Iterator[Tensor]:
    """All tensors among arguments and lists of them (by hand: torch's `tree_map` is slow)."""
    for argument in arguments:
        if isinstance(argument, Tensor):
            yield argument
        elif isinstance(argument, (list, tuple)):
            yield from _tensors(argument)


def _unwrapped(argument: Any) -> Any:
    if isinstance(argument, (list, tuple)):
        return [_unwrapped(part) for part in argument]
    return argument.held if isinstance(argument, WrappedTensor) else argument


def _wrapped(given: Iterable[Tensor], value: Any) -> Any:
    """A result on this device: one of the tensors given where it was written to, else a new one."""
    if isinstance(value, (list, tuple)):
        return type(value)(_wrapped(given, part) for part in value)
    if not isinstance(value, Tensor):
        return value
    for tensor in given:
        if tensor is value:  # a tensor of the CPU, copied to from here
            return tensor
        if isinstance(tensor, WrappedTensor) and tensor.held is value:
            if (tensor.shape, tensor.stride()) != (value.shape, value.stride()):
                raise NotImplementedError("an operation changes the shape of a tensor in place")
            return tensor
    return WrappedTensor(value)


def _refuse_mixed(name: str, given: list[Tensor]) -> None:
    if _are_plain(given):
        return
    for tensor in given:
        if not isinstance(tensor, WrappedTensor) and tensor.ndim:
            raise MixedDevicesError(
                f"{name} got tensors on {DEVICE} and one of shape {tuple(tensor.shape)} on "
                f"{tensor.device}"
            )


def _copy_from(values: Tensor, target: Tensor, _non_blocking: bool = False) -> Tensor:
    """What torch.tensor calls past `__torch_dispatch__`, once its values stand on the CPU."""
    _unwrapped(target).copy_(_unwrapped(values))
    return target


def _register() -> list[torch.library.Library]:
    """What is asked for by device alone has no tensor to dispatch on; kept while they are held."""
    factories = torch.library.Library("_", "IMPL")
    factories.fallback(_run, "PrivateUse1")
    operations = torch.library.Library("aten", "IMPL")
    operations.impl("_copy_from", _copy_from, "PrivateUse1")
    for overload in ("default", "start", "start_step"):  # torch's own resizes an empty tensor
        arange = getattr(torch.ops.aten.arange, overload)
        operations.impl(arange, partial(_run, arange), "PrivateUse1")
    return [factories, operations]


def _with_data(plain: Any) -> property:
    """`Tensor.data`, which on a real device takes over the storage: here there is none."""

    def assign(self: Tensor, other: Tensor) -> None:
        wrapped = [isinstance(tensor, WrappedTensor) for tensor in (self, other)]
        if not any(wrapped):
            plain.__set__(self, other)
        elif all(wrapped) and self.shape == other.shape:
            self.held = other.held  # type: ignore[attr-defined]
        else:
            values = other.detach()
            if isinstance(self, torch.nn.Parameter):
                values = torch.nn.Parameter(values, self.requires_grad)
            torch.utils.swap_tensors(self, values.requires_grad_(self.requires_grad))

    getter: Callable[[Tensor], Tensor] = plain.__get__
    return property(getter, assign)


_libraries = _register()
Tensor.data = _with_data(Tensor.data)  # type: ignore[assignment]
