"""`mxnet.npx`: what goes with `mxnet.np`; the arrays are the same either way."""

from __future__ import annotations

from typing import Any

from harness.answers.stubs.mxnet.context import cpu, current_context, gpu, num_gpus
from harness.answers.stubs.mxnet.creation import waitall
from harness.answers.stubs.mxnet.fallback import of_torch

__all__ = ["cpu", "current_context", "gpu", "num_gpus", "reset_np", "set_np", "waitall"]


def set_np(*_: Any, **__: Any) -> None:
    """Arrays as NumPy has them: they are so anyway."""


reset_np = set_np


def __getattr__(name: str) -> Any:
    return of_torch(name, "mxnet.npx")
