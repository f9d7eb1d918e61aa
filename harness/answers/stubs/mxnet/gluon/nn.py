"""`mxnet.gluon.nn`: blocks, and the dense layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.gluon.parameter import Parameter
from harness.answers.stubs.mxnet.init import Zero

__all__ = ["Activation", "Block", "Dense", "HybridBlock", "HybridSequential", "Sequential"]


class Block(nn.Module):
    """What predicts by the blocks and parameters that are its attributes."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def collect_params(self, select: object = None) -> Parameters:
        """All parameters by name, those of blocks within too."""
        del select
        found = Parameters()
        for path, block in self.named_modules():
            held = ((n, v) for n, v in vars(block).items() if isinstance(v, Parameter))
            found |= {f"{path}.{name}".strip("."): value for name, value in held}
        return found

    def initialize(self, init: Any = None, *_: Any, **__: Any) -> None:
        """Make all parameters."""
        self.collect_params().initialize(init)

    def hybridize(self, *_: Any, **__: Any) -> None:
        """Nothing: there is no graph to compile."""


HybridBlock = Block


class Parameters(dict[str, Parameter]):
    """Parameters by name."""

    def initialize(self, init: Any = None, *_: Any, **__: Any) -> None:
        """Make all of them."""
        for parameter in self.values():
            parameter.initialize(init)


class Sequential(Block):
    """Blocks one after the other."""

    def add(self, *blocks: nn.Module) -> None:
        """Put blocks behind the last."""
        for block in blocks:
            self.add_module(str(len(self)), block)

    def forward(self, x: Any) -> Any:
        """Through all of them."""
        for block in self:
            x = block(x)
        return x

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(self.children())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> nn.Module:
        return list(self)[index]


HybridSequential = Sequential


class Dense(Block):
    """xW.T + b, the width of x taken from the first one."""

    def __init__(
        self,
        units: int,
        activation: str | None = None,
        use_bias: bool = True,
        *_: Any,
        weight_initializer: Any = None,
        in_units: int = 0,
        **__: Any,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.units = units
        self.weight = Parameter("weight", (units, in_units), weight_initializer)
        self.bias = Parameter("bias", (units,), Zero()) if use_bias else None

    def forward(self, x: Any) -> NDArray:
        """Features (m, ...) -> (m, units)."""
        rows = array_of(x).reshape(len(x), -1)
        out = torch.matmul(rows, self.weight.of_shape(self.units, rows.shape[1]).T)
        out = out if self.bias is None else out + self.bias.of_shape(self.units)
        return array_of(getattr(torch, self.activation)(out) if self.activation else out)


class Activation(Block):
    """A function of each element."""

    def __init__(self, activation: str) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Element by element."""
        return getattr(torch, self.activation)(x)
