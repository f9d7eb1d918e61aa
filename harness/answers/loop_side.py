"""What a learner's loop runs on in a side: right predictions, single steps, the next batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.engine.recipe import Batch, Optimizer

Pair = tuple[Tensor, Tensor]


class EnoughError(BaseException):
    """Ends a loop that has shown enough; no `except Exception` stops it."""


class RightModel:
    """A linear model in the canonical shapes, for a side whose loop has tensors of its own."""

    def __init__(self, d: int) -> None:
        self.w = torch.zeros(d, 1, requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def parameters(self) -> list[Tensor]:
        """The leaves, weight before bias."""
        return [self.w, self.b]

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions (m, 1)."""
        return predicted(X, self.w, self.b)


def predicted(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Xw + b for w and b of any shape: X (m, d) -> (m, 1)."""
    return X.reshape(len(X), -1) @ w.reshape(-1, 1) + b.reshape(-1)


class Stepper:
    """The base's update, or values that the loop has computed by itself."""

    def __init__(
        self, parameters: list[Tensor], lr: float, make: Callable[[list[Tensor], float], Optimizer]
    ) -> None:
        self.leaves, self.lr, self.make = parameters, lr, make
        self.inner = make(parameters, lr)
        self.values: Sequence[Tensor] | None = None

    def at(self, lr: float) -> None:
        """Update with this learning rate from now on."""
        if lr != self.lr:
            self.lr, self.inner = lr, self.make(self.leaves, lr)

    def step(self, batch_length: int) -> None:
        """Update, or take over the values of the loop where there are some."""
        if self.values is None:
            self.inner.step(batch_length)
        else:
            copy_into(self.leaves, self.values)
            self.values = None

    def zero_grad(self) -> None:
        """Forget the gradients."""
        self.inner.zero_grad()


class Feed:
    """Batches that a side is given one by one, as its loop comes to use them."""

    def __init__(self, batches: Callable[[], Iterator[Batch]], generator: torch.Generator) -> None:
        self.epoch, self.generator = batches, generator
        self.batch: Batch | None = None

    def __iter__(self) -> Iterator[Batch]:
        while self.batch is not None:
            yield self.batch


def copy_into(into: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Overwrite tensors by values, each in the shape of its tensor."""
    with torch.no_grad():
        for tensor, value in zip(into, values, strict=True):
            tensor.copy_(value.detach().reshape(tensor.shape))


def gradient_of(parameter: Tensor) -> Tensor | None:
    """The gradient of a parameter; of a part of one (`theta`), its part of the gradient."""
    theta, place = getattr(parameter, "part_of", (parameter, None))
    gradient: Tensor | None = theta.grad
    return gradient if gradient is None or place is None else gradient.reshape(-1)[place]


def plain(value: Any) -> Any:
    """A tensor without the wrappers of `torch.func`; anything else as it is."""
    functorch = torch._C._functorch  # noqa: SLF001 - torch has no public name for it
    while isinstance(value, Tensor) and functorch.is_functorch_wrapped_tensor(value):
        value = functorch.get_unwrapped(value)
    return value
