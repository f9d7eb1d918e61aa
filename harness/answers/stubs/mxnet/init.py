"""`mxnet.init`: how a layer of `gluon` begins."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

__all__ = ["Constant", "Initializer", "Normal", "One", "Uniform", "Xavier", "Zero"]


class Initializer:
    """Fills a weight."""

    def __call__(self, weight: Tensor) -> None:
        """Fill it in place."""
        raise NotImplementedError


@dataclass
class Normal(Initializer):
    """A normal distribution around 0."""

    sigma: float = 0.01

    def __call__(self, weight: Tensor) -> None:
        """Fill it in place."""
        with torch.no_grad():
            weight.normal_(0, self.sigma)


@dataclass
class Uniform(Initializer):
    """From -scale to scale, all alike."""

    scale: float = 0.07

    def __call__(self, weight: Tensor) -> None:
        """Fill it in place."""
        with torch.no_grad():
            weight.uniform_(-self.scale, self.scale)


@dataclass
class Constant(Initializer):
    """The same number everywhere."""

    value: float = 0.0

    def __call__(self, weight: Tensor) -> None:
        """Fill it in place."""
        with torch.no_grad():
            weight.fill_(self.value)


class Zero(Constant):
    """Zeros."""


class One(Constant):
    """Ones."""

    def __init__(self) -> None:
        super().__init__(1.0)


class Xavier(Initializer):
    """As wide as the layer's widths ask for."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def __call__(self, weight: Tensor) -> None:
        """Fill it in place."""
        nn.init.xavier_uniform_(weight)
