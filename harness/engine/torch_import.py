"""torch without its compiler, which nothing here uses and which takes as long again to import.

torch marks functions such as `torch.manual_seed` as none of the compiler's business, and imports
the compiler to do so when they are first called; the steps of its optimizers import it too. A
process that only runs answers is prepared beforehand (`leave_compiler_out`). In the process of the
person who asks, no function of torch is replaced or marked: the judge's own optimizers are classes
beside torch's (`without_compiler`). Where another version of torch does this otherwise, nothing
changes but the time it takes.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import Any

import torch
from torch import optim, random

_MARK = "__dynamo_disable"  # what torch._compile looks for before it imports the compiler


@cache
def leave_compiler_out() -> None:
    """Prepare this process, once: only for one in which answers run, for it changes torch."""
    if "torch._dynamo" in sys.modules:
        return
    for owner in (torch, random, optim.Optimizer):
        for _, wrapped in _importing(owner):
            vars(wrapped).setdefault(_MARK, wrapped)
    optim.SGD.step = _step(optim.SGD)  # type: ignore[method-assign]


@cache
def without_compiler(kind: type[optim.Optimizer]) -> type[optim.Optimizer]:
    """An optimizer class that computes with the code of this one, and imports no compiler."""
    return type(kind.__name__, (kind,), {**dict(_importing(optim.Optimizer)), "step": _step(kind)})


def _importing(owner: object) -> Iterator[tuple[str, Callable[..., Any]]]:
    """The functions that import the compiler when they are called: name, and what they wrap."""
    for name, function in vars(owner).items():
        if isinstance(function, FunctionType) and _file(function) == "_compile.py":
            yield name, inspect.unwrap(function)


def _file(function: FunctionType) -> str:
    return Path(function.__code__.co_filename).name


def _step(kind: type[optim.Optimizer]) -> Callable[..., Any]:
    """The step of a class, which records gradients only where the optimizer is asked to."""
    update = inspect.unwrap(kind.step)

    @functools.wraps(update)
    def step(self: optim.Optimizer, *given: Any, **named: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return update(self, *given, **named)

    return step
