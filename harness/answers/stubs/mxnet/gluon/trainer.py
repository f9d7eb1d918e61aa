"""`mxnet.gluon.Trainer`: an optimizer by its name, which divides gradients by the batch length."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import Optimizer

from harness.answers.stubs.mxnet.gluon.parameter import Parameter

_RULES: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adadelta": torch.optim.Adadelta,
}
_OPTIONS = {"wd": "weight_decay", "learning_rate": "lr", "epsilon": "eps", "gamma1": "alpha"}


class Trainer(Optimizer):
    """An optimizer of torch underneath, and for whoever looks for one."""

    def __init__(
        self,
        params: dict[str, Parameter] | Iterable[Parameter],
        optimizer: str,
        optimizer_params: dict[str, Any] | None = None,
        **_: Any,
    ) -> None:
        self.parameters = list(params.values() if isinstance(params, dict) else params)
        given = {"learning_rate": 0.01, **(optimizer_params or {})}
        self.rule: Any = _RULES[optimizer]
        self.inner: Any = None
        self.options = {_OPTIONS.get(name, name): value for name, value in given.items()}

    @property
    def learning_rate(self) -> float:
        """The rate of the next step."""
        return float(self.options["lr"])

    def set_learning_rate(self, lr: float) -> None:
        """Another rate from now on."""
        self.options["lr"] = lr
        for group in self.inner.param_groups if self.inner else ():
            group["lr"] = lr

    def step(self, batch_size: int, ignore_stale_grad: bool = False) -> None:  # type: ignore[override]
        """Update from the gradients of a sum over so many examples."""
        del ignore_stale_grad
        leaves = [parameter.data() for parameter in self.parameters]
        self.inner = self.inner or self.rule(leaves, **self.options)
        summed = [leaf.grad for leaf in leaves]
        for leaf in leaves:
            leaf.grad = None if leaf.grad is None else leaf.grad / batch_size
        self.inner.step()
        for leaf, gradient in zip(leaves, summed, strict=True):
            leaf.grad = gradient

    def __repr__(self) -> str:
        return f"Trainer({self.rule.__name__}, {self.options})"
