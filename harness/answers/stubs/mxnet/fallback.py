"""Functions of arrays that torch has by the same name, `exp`, `abs`, `matmul` and so on.

Where torch means something else by it, the array's own method is taken, or numbers become arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import array_of, of

_OTHERWISE = {"power": "pow", "fabs": "abs", "norm": "linalg.norm"}
_METHODS = ("max", "min", "std", "var")
_OF_TWO = ("maximum", "minimum")


def of_torch(name: str, module: str) -> Any:
    """What `module` has by this name; AttributeError where torch has no function to take."""
    if name in _METHODS:
        return lambda data, *args, **named: getattr(array_of(data), name)(*args, **named)
    if name in _OF_TWO:
        return lambda a, b: of(getattr(torch, name)(*_both_arrays(a, b)))
    found: Any = torch
    if not name.startswith("_"):
        for part in _OTHERWISE.get(name, name).split("."):
            found = getattr(found, part, None)
    if not callable(found) or isinstance(found, type | ModuleType) or found is torch:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    return _taking_arrays(found)


def _taking_arrays(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **named: Any) -> Any:
        return of(function(*of(args), **of(named)))

    call.__name__ = getattr(function, "__name__", "call")
    return call


def _both_arrays(a: Any, b: Any) -> tuple[Tensor, Tensor]:
    """Two arrays, a number being one of the other's type."""
    like = a if isinstance(a, Tensor) else b
    x, y = (v if isinstance(v, Tensor) else torch.as_tensor(v, dtype=like.dtype) for v in (a, b))
    return x, y
