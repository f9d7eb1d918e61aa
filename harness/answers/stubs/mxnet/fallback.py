"""Functions that torch has by the same name, for arrays: `exp`, `abs`, `matmul` and so on."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch

from harness.answers.stubs.mxnet.array import of

_OTHERWISE = {"power": "pow", "fabs": "abs", "norm": "linalg.norm", "sign": "sign"}


def of_torch(name: str, module: str) -> Any:
    """What `module` has by this name; AttributeError where torch has no function to take."""
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
