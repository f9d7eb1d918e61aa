"""`mxnet.gluon.loss`: one number for each example."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.gluon.nn import Block

__all__ = ["L1Loss", "L2Loss", "Loss"]


class Loss(Block):
    """A mean over all but the batch."""

    def __init__(self, weight: float | None = 1.0, batch_axis: int = 0, **_: Any) -> None:
        super().__init__()
        self.weight, self.batch_axis = weight, batch_axis

    def each(self, error: Tensor) -> Tensor:
        """What an error costs."""
        raise NotImplementedError

    def forward(self, pred: Tensor, label: Tensor, sample_weight: Any = None) -> NDArray:
        """Predictions and labels of m examples -> (m,)."""
        costs = self.each(pred - label.reshape(pred.shape)) * (self.weight or 1.0)
        costs = costs if sample_weight is None else costs * sample_weight
        return array_of(costs.reshape(len(costs), -1)).mean(1)


class L2Loss(Loss):
    """Half squares."""

    def each(self, error: Tensor) -> Tensor:
        """½ error²."""
        return error**2 / 2


class L1Loss(Loss):
    """Distances."""

    def each(self, error: Tensor) -> Tensor:
        """|error|."""
        return error.abs()
