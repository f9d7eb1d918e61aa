"""The reference's loss in float64 at recorded predictions: values, slopes, and their scales.

Values and slopes are in units of the mean of the pair's own loss, whatever the reference's
convention. The loss is never a formula of ours: the reference's own piece is run, over the steps of
a stack at once where torch can, and on rows by themselves where a loss per example is asked of a
side that has only their mean.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import vmap

from harness.engine.expected import Expected, between, sampled, shared
from harness.engine.model_twin import LOOPED, LOOPED_RUNS, SAMPLED
from harness.engine.pair import Shapes
from harness.engine.recipe import Recipe
from harness.engine.rounding import RUNS, RandomRounding, moved
from harness.engine.trace import Stack


@dataclass(frozen=True)
class Losses:
    """The loss of some steps by micro-batch (K, micros), and its slope (K, m · width)."""

    means: Expected
    slope: Expected


class LossTwin:
    """The loss of a reference, in float64; `unit` is one rounding of the dtype that is judged."""

    def __init__(self, reference: Recipe, shapes: Shapes, unit: float) -> None:
        self.reference, self.shapes, self.unit = reference, shapes, unit
        self.convention = reference.convention
        self.bounded = reference.is_bounded(reference.loss)
        self._batched = True

    def at(self, stack: Stack, size: Tensor | None) -> Losses:
        """Means by micro-batch and slopes at the recorded predictions.

        `size` is how large the predictions are without cancellation, where that is known: the slope
        grants that a prediction of this size was rounded again on the way.
        """
        y_hat, y = self._given(stack)
        means, slope = self._micros(y_hat, y, stack.micros)
        if self.bounded:
            moved_to = y_hat if size is None else y_hat + size.reshape(y_hat.shape)
            _, shifted = self._micros(moved_to, y, stack.micros)
            scale = slope.abs() + (shifted - slope).abs()
            return Losses(
                Expected(means, means.abs(), max(stack.micros)), Expected(slope, scale, 2)
            )
        scales = partial(self._scales, y_hat, y, stack.micros, (means, slope))
        steps = sampled(len(y_hat), SAMPLED if self._batched else LOOPED)
        (of_means, of_slopes), length = scales(steps)
        return Losses(
            Expected(
                means,
                between(steps, of_means, len(y_hat)),
                length,
                lambda more: scales(more)[0][0],
            ),
            Expected(
                slope,
                between(steps, of_slopes, len(y_hat)),
                length,
                lambda more: scales(more)[0][1],
            ),
        )

    def by_example(self, stack: Stack) -> Expected:
        """The loss of every example (K, m · ...) at the recorded predictions."""
        y_hat, y = self._given(stack)
        values = self._examples(y_hat, y)
        if self.bounded:
            return Expected(values, values.abs(), 2)
        steps = sampled(len(y_hat), SAMPLED if self._batched else LOOPED)

        def scales(more: Sequence[int]) -> tuple[Tensor, float]:
            runs, chosen = self._runs, list(more)
            mode = RandomRounding(self.unit)
            given = mode.rounded(_repeated(y_hat, chosen, runs)), _repeated(y, chosen, runs)
            with mode:
                shaken = self._examples(*given)
            move = moved(shaken.unflatten(0, (runs, len(chosen))), values[chosen], self.unit)
            return shared(move, [move.shape[1]]), mode.fused

        scale, length = scales(steps)
        return Expected(
            values, between(steps, scale, len(y_hat)), length, lambda more: scales(more)[0]
        )

    def mean_of(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The mean loss of common predictions (m, ...), in float64."""
        return self._mean(y_hat.unsqueeze(0), y.unsqueeze(0))[0]

    @property
    def _runs(self) -> int:
        return RUNS if self._batched else LOOPED_RUNS

    def _given(self, stack: Stack) -> tuple[Tensor, Tensor]:
        y = stack.y.double() if stack.y.is_floating_point() else stack.y
        rows = (len(stack), stack.rows, *self.shapes.prediction)
        return stack.prediction.double().reshape(rows), y

    def _scales(
        self,
        y_hat: Tensor,
        y: Tensor,
        micros: Sequence[int],
        exact: tuple[Tensor, Tensor],
        steps: Sequence[int],
    ) -> tuple[tuple[Tensor, Tensor], float]:
        """Scales (S, ...) of means and slopes at these steps, by random rounding."""
        runs, chosen = self._runs, list(steps)
        mode = RandomRounding(self.unit)
        given = mode.rounded(_repeated(y_hat, chosen, runs)), _repeated(y, chosen, runs)
        with mode:
            results = self._micros(*given, micros)
        means, slope = (
            moved(value.unflatten(0, (runs, len(chosen))), right[chosen], self.unit)
            for value, right in zip(results, exact, strict=True)
        )
        return (shared(means, [1] * means.shape[1]), shared(slope, [slope.shape[1]])), mode.fused

    def _micros(self, y_hat: Tensor, y: Tensor, micros: Sequence[int]) -> tuple[Tensor, Tensor]:
        """Means by micro-batch (K, micros), and slopes (K, m · width) of the whole batch's mean."""
        leaf = y_hat.detach().requires_grad_()
        rows = leaf.shape[1]
        parts = zip(leaf.split(list(micros), 1), y.split(list(micros), 1), strict=True)
        with torch.enable_grad():
            means = [self._mean(*part) for part in parts]
            total = sum(mean * (m / rows) for mean, m in zip(means, micros, strict=True))
        assert isinstance(total, Tensor)
        if not total.requires_grad:
            return torch.stack(means, 1).detach(), torch.zeros_like(leaf).flatten(1)
        (slope,) = torch.autograd.grad(total.sum(), leaf)
        return torch.stack(means, 1).detach(), slope.flatten(1)

    def _mean(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """Sum over rows of the pair's own loss, over their number: (K,)."""
        loss = self._run(y_hat, y).reshape(len(y_hat), -1).sum(1)
        return loss / self.convention.gradient_factor(y_hat.shape[1])

    def _examples(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The pair's own loss of every example: (K, m · ...)."""
        if self.convention.reduction == "none":
            return self._run(y_hat, y).reshape(len(y_hat), -1) / self.convention.factor
        rows = y_hat.shape[:2]
        alone = self._run(y_hat.flatten(0, 1).unsqueeze(1), y.flatten(0, 1).unsqueeze(1))
        return alone.reshape(rows) / self.convention.factor

    def _run(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """The reference's own loss on each of some batches: (K, m, ...) -> (K, ...)."""
        if self._batched:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # torch warns where vmap is slow
                    return vmap(self._one)(y_hat, y)
            except RuntimeError:
                self._batched = False
        return torch.stack([self._one(*both) for both in zip(y_hat, y, strict=True)])

    def _one(self, y_hat: Tensor, y: Tensor) -> Tensor:
        reading = self.reference.reading
        return self.reference.loss(reading.own(reading.project(y_hat)), y)


def _repeated(values: Tensor, steps: Sequence[int], runs: int) -> Tensor:
    return values[list(steps)].repeat(runs, *[1] * (values.ndim - 1))
