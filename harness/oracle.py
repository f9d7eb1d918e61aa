"""What each stage of each recorded step should have been: the reference, run in float64, in bulk.

Every step is taken from the state that the trace recorded, so nothing drifts: the prediction from
the parameters before the step, the loss and the gradient from the recorded prediction, the update
from the recorded gradient. Steps of equal shapes are computed at once (`torch.func.vmap` over the
reference's own model). Beside each expected value stands its scale: its size without cancellation,
which is what rounding errors are relative to. Nothing here judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.case import Case, Data
from harness.errors import InputError
from harness.recipe import Convention, Recipe
from harness.trace import Stack


@dataclass(frozen=True)
class Expected:
    """One stage's values by the oracle (K, width), their scale, and the terms each sums up."""

    value: Tensor
    scale: Tensor
    length: int


@dataclass(frozen=True)
class Expectation:
    """What a stack of steps should have been, in canonical units: mean of squared errors.

    `gradient` is what the update should have found (clipped, or summed up where the case never
    clears it), `fresh` the gradient of this step alone, `upstream` the derivative of the loss by
    the predictions.
    """

    prediction: Expected
    loss: Expected
    upstream: Expected
    fresh: Expected
    gradient: Expected
    parameter: Expected


def joined(first: Expected, second: Expected) -> Expected:
    """Two stages side by side: (K, a) and (K, b) -> (K, a + b)."""
    return Expected(
        torch.cat((first.value, second.value), 1),
        torch.cat((first.scale, second.scale), 1),
        max(first.length, second.length),
    )


class Oracle:
    """The float64 twin of a reference recipe for one case.

    The reference's model has to be an `nn.Module`; `lr` is the learning rate that goes with the
    gradient of the mean squared error.
    """

    def __init__(self, reference: Recipe, case: Case, data: Data, lr: float) -> None:
        self.reference, self.case, self.lr = reference, case, lr
        module = reference.model(case.d)
        if not isinstance(module, nn.Module):
            raise InputError(
                f"{reference.name} cannot be a reference: its model is no nn.Module; take a "
                "built-in recipe."
            )
        self.module = module.to(device=data.features.device, dtype=torch.float64)
        self.shapes = {name: p.shape for name, p in self.module.named_parameters()}
        self.squared_error = nn.MSELoss(reduction="none")

    def expect(self, stack: Stack, convention: Convention) -> Expectation:
        """What the recorded steps should have been, given their own recorded states."""
        X = stack.X.double()
        before = stack.before.double()
        factor = convention.gradient_factor(stack.rows)
        # values and sizes in one go: the same model on absolute values does not cancel
        y_hat, pullback = self._forward(torch.cat((before, before.abs())), torch.cat((X, X.abs())))
        predicted, size = y_hat.chunk(2)
        prediction = Expected(predicted, size, X.shape[2] + 1)
        per_row, upstream = self._losses(stack, size)
        gradient, size = pullback(torch.cat((upstream.value, upstream.scale))).chunk(2)
        fresh = Expected(gradient, size, stack.rows)
        return Expectation(
            prediction=prediction,
            loss=_reduced(per_row, stack, stack.loss.shape[1]),
            upstream=upstream,
            fresh=fresh,
            gradient=self._found(fresh, stack.gradient_before.double() / factor, factor),
            parameter=self.updated(before, stack.gradient.double() / factor),
        )

    def _forward(self, parameters: Tensor, X: Tensor) -> tuple[Tensor, _Pullback]:
        leaf = parameters.detach().requires_grad_()
        with torch.enable_grad():
            y_hat = vmap(self._predict)(leaf, X).squeeze(2)
        return y_hat.detach(), _Pullback(leaf, y_hat)

    def _predict(self, parameters: Tensor, X: Tensor) -> Tensor:
        return functional_call(self.module, self._named(parameters), (X,))  # type: ignore[no-any-return]

    def _named(self, parameters: Tensor) -> dict[str, Tensor]:
        """A flat vector of parameters (P,) -> the module's own names and shapes."""
        pieces = parameters.split([shape.numel() for shape in self.shapes.values()])
        return {
            name: piece.reshape(shape)
            for (name, shape), piece in zip(self.shapes.items(), pieces, strict=True)
        }

    def loss_at(self, stack: Stack, width: int) -> Expected:
        """The loss at the recorded predictions: by example where `width` is the rows, else means.

        A mean is taken over each micro-batch.
        """
        per_row, _ = self._squared(stack.prediction.double(), stack.y.double())
        return _reduced(per_row, stack, width)

    def _losses(self, stack: Stack, size: Tensor) -> tuple[Tensor, Expected]:
        """The squared errors of the recorded predictions, and the derivative of their mean.

        The derivative's scale grants that a prediction of this size was rounded again on the way.
        """
        y_hat, y = stack.prediction.double(), stack.y.double()
        per_row, slopes = self._squared(torch.stack((y_hat, y_hat + size)), torch.stack((y, y)))
        slope, moved = slopes / stack.rows
        return per_row[0], Expected(slope, slope.abs() + (moved - slope).abs(), 2)

    def _squared(self, y_hat: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        leaf = y_hat.detach().requires_grad_()
        with torch.enable_grad():
            per_row = self.squared_error(leaf, y)
        (slope,) = torch.autograd.grad(per_row.sum(), leaf)
        return per_row.detach(), slope

    def _found(self, fresh: Expected, gradient_before: Tensor, factor: float) -> Expected:
        """The gradient that the update finds: summed up or clipped, where the case says so.

        The norm is clipped in the units of the side, `factor` times the canonical ones.
        """
        value, scale = fresh.value, fresh.scale
        if not self.case.clear_gradients:
            value, scale = value + gradient_before, scale + gradient_before.abs()
        if self.case.clip:
            value = torch.stack([self._clipped(row) for row in value * factor]) / factor
            # the norm is rounded as well: its error spreads over all entries
            scale = scale + scale.norm(dim=1, keepdim=True)
        return Expected(value, scale, fresh.length)

    def _clipped(self, gradient: Tensor) -> Tensor:
        leaf = torch.zeros_like(gradient, requires_grad=True)
        leaf.grad = gradient.clone()
        self.reference.clip([leaf], self.case.clip)
        return leaf.grad

    def updated(self, before: Tensor, gradient: Tensor) -> Expected:
        """One update of all steps at once: the optimizer works element by element."""
        leaf = before.clone().requires_grad_()
        leaf.grad = gradient.clone()
        self.reference.optimizer([leaf], self.lr).step(1)
        value = leaf.detach()
        return Expected(value, before.abs() + (self.lr * gradient).abs(), 1)


def _reduced(per_row: Tensor, stack: Stack, width: int) -> Expected:
    """Squared errors (K, m): by example where `width` is the rows, else means of micro-batches."""
    if width == stack.rows:
        return Expected(per_row, per_row, 2)
    means = torch.stack([part.mean(1) for part in per_row.split(stack.micros, 1)], 1)
    return Expected(means, means, max(stack.micros))


class _Pullback:
    """Upstream gradients (K, m) -> gradients by the parameters (K, P)."""

    def __init__(self, leaf: Tensor, y_hat: Tensor) -> None:
        self._leaf, self._y_hat = leaf, y_hat

    def __call__(self, upstream: Tensor) -> Tensor:
        (gradient,) = torch.autograd.grad(self._y_hat, self._leaf, upstream)
        return gradient
