"""A parameter of a layer, whose shape may not be known before it is used."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.init import Uniform


class Parameter:
    """A variable that is made once its shape is known and it has been initialised."""

    def __init__(self, name: str = "", shape: Any = None, init: Any = None, **_: Any) -> None:
        self.name, self.shape, self.init = name, shape, init
        self._array: NDArray | None = None

    def initialize(self, init: Any = None, *_: Any, **__: Any) -> None:
        """Make it, by its own initialiser or else this one; later where the shape is unknown."""
        self.init = self.init or init or Uniform()
        self._array = None
        if self.shape and 0 not in self.shape:
            self._made()

    def of_shape(self, *shape: int) -> NDArray:
        """The variable, made in this shape where that was not known."""
        if self._array is None:
            self.shape = shape
            self._made()
        return self.data()

    def _made(self) -> None:
        if self.init is None:
            raise RuntimeError(f"Parameter {self.name!r} has not been initialized")
        self._array = array_of(torch.zeros(self.shape))
        self.init(self._array)
        self._array.attach_grad()

    def data(self, ctx: object = None) -> NDArray:
        """The variable."""
        del ctx
        if self._array is None:
            raise RuntimeError(f"Parameter {self.name!r} has not been initialized")
        return self._array

    def set_data(self, data: Tensor) -> None:
        """Overwrite it."""
        self.of_shape(*data.shape)[:] = data

    def grad(self, ctx: object = None) -> Tensor | None:
        """Its gradient."""
        return self.data(ctx).grad
