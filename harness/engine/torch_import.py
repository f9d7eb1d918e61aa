"""Keeps torch from importing its compiler, which nothing here uses and which takes as long again.

torch marks functions such as `torch.manual_seed` as none of the compiler's business, and imports
the compiler to do so when they are first called. Here they are marked beforehand as what they are.
Where another version of torch does this otherwise, nothing changes but the time it takes.
"""

from __future__ import annotations

import inspect
import sys
from functools import cache
from pathlib import Path
from types import FunctionType

import torch
from torch import optim, random

_MARK = "__dynamo_disable"  # what torch._compile looks for before it imports the compiler


@cache
def leave_compiler_out() -> None:
    """Mark torch's own functions as ready to be called without the compiler, once."""
    if "torch._dynamo" in sys.modules:
        return
    for owner in (torch, random, optim.Optimizer):
        for function in vars(owner).values():
            if isinstance(function, FunctionType) and _imports_compiler(function):
                wrapped = inspect.unwrap(function)
                vars(wrapped).setdefault(_MARK, wrapped)
    # `step` tells the compiler to leave it alone, and runs without grad: only that is kept
    optim.SGD.step = torch.no_grad()(inspect.unwrap(optim.SGD.step))  # type: ignore[method-assign]


def _imports_compiler(function: FunctionType) -> bool:
    return Path(function.__code__.co_filename).name == "_compile.py"
