"""What each stage of each recorded step should have been: the reference, run in float64, in bulk.

Every step is taken from the state that the trace recorded, so nothing drifts: the prediction from
the parameters before the step, the loss and the gradient from the recorded prediction, the update
from the recorded gradient. Steps of equal shapes are computed at once (`torch.func.vmap` over the
reference's own model). Beside each expected value stands its scale: its size without cancellation,
which is what rounding errors are relative to. An optimizer that keeps a state is run over the steps
in their order (`History`): its state is what the recorded gradients make. Nothing here judges.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.engine.case import Case, Data
from harness.engine.recipe import Convention, Optimizer, Recipe
from harness.engine.tolerance import unit_roundoff
from harness.engine.trace import Stack
from harness.errors import InputError

# What rounding gathers in a state, over that of the step itself. Adam's is the worst in use: where
# 1 - .999ⁿ is worked out in the dtype of the parameters it is off by up to a thousand roundings,
# its root by half as many, and some six are granted to every value.
GATHERED = 100.0
# An activation is as good as at its kink where so many roundings of its inputs move it across.
NEAR_KINK = 4
_KINK_TWISTS = 16  # runs on inputs changed by so many; each may cross a kink either way
_TWISTS = 3  # runs on inputs changed by a single rounding


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
        self.reference, self.case = reference, case
        # the update runs in the reference's own units: not every optimizer makes up for others
        self.lr, self.factor = lr / reference.convention.factor, reference.convention.factor
        self.optimizer = reference.optimizer_for(case.optimizer)
        module = reference.model(*case.widths)
        if not isinstance(module, nn.Module):
            raise InputError(
                f"{reference.name} cannot be a reference: its model is no nn.Module; take a "
                "built-in recipe."
            )
        self.module = module.to(device=data.features.device, dtype=torch.float64)
        self.shapes = {name: p.shape for name, p in self.module.named_parameters()}
        self.terms = sum(width + 1 for width in case.widths)
        self.squared_error = nn.MSELoss(reduction="none")
        self.keeps_state = _keeps_state(self.optimizer, self.lr)

    def expect(
        self,
        stack: Stack,
        convention: Convention,
        handed: Tensor | None = None,
        updated: Expected | None = None,
    ) -> Expectation:
        """What the recorded steps should have been, given their own recorded states.

        The gradient is that of the recorded loss, or of the derivatives `handed` (K, m). Where the
        optimizer keeps a state, `updated` is what its `History` expects of these steps; without it
        each of them counts as the first.
        """
        X = stack.X.double()
        before = stack.before.double()
        factor = convention.gradient_factor(stack.rows)
        # values and sizes in one go: the same model on absolute values does not cancel
        y_hat, pullback = self._forward(torch.cat((before, before.abs())), torch.cat((X, X.abs())))
        predicted, size = y_hat.chunk(2)
        prediction = Expected(predicted, size, self.terms)
        per_row, upstream = self._losses(stack, size)
        slope = upstream if handed is None else Expected(handed, handed.abs(), 1)
        gradient, size = pullback(torch.cat((slope.value, slope.scale))).chunk(2)
        if self.case.hidden:
            size = size + self._jumps(before, X, slope.value, gradient, size)
        fresh = Expected(gradient, size, stack.rows + self.terms - X.shape[2] - 1)
        return Expectation(
            prediction=prediction,
            loss=_reduced(per_row, stack, stack.loss.shape[1]),
            upstream=upstream,
            fresh=fresh,
            gradient=self._found(fresh, stack.gradient_before.double() / factor, factor),
            parameter=updated or self.updated(before, stack.gradient.double() / factor),
        )

    def _jumps(
        self, before: Tensor, X: Tensor, slope: Tensor, gradient: Tensor, size: Tensor
    ) -> Tensor:
        """How far each gradient jumps, over u, where an activation is within rounding of a kink.

        Either side of the kink is right then. Found by changing the inputs by some roundings: a
        gradient is a product of three of them, and what it moves by beyond that is a jump.
        """
        u = unit_roundoff(self.case.torch_dtype)
        generator = torch.Generator().manual_seed(0)
        jumps = torch.zeros_like(size)
        for _ in range(_KINK_TWISTS):
            twisted = [_twisted(inputs, NEAR_KINK * u, generator) for inputs in (before, X)]
            _, pullback = self._forward(*twisted)
            moved = (pullback(slope) - gradient).abs()
            jumps = jumps.maximum(moved - 3 * NEAR_KINK * u * size)
        return jumps / u

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
        """One update of all steps at once: the optimizer works element by element.

        On absolute values beside the values themselves: there nothing in the step cancels.
        """
        size = before.abs()
        leaf = torch.stack((before, size)).requires_grad_()
        leaf.grad = torch.stack((gradient, gradient.abs())) * self.factor
        self.optimizer([leaf], self.lr).step(1)
        value, unspoilt = leaf.detach()
        return Expected(value, size + (unspoilt - size).abs(), 1)

    def history(self) -> History:
        """An account of one side's steps, for an optimizer that keeps a state."""
        return History(self)


class History:
    """What each update should have given, by the optimizer's state after all steps before it.

    The state is made in float64 from the gradients and parameters that a side recorded, in the
    order of its steps. The same optimizer runs on absolute values, which do not cancel, and on
    values changed by as little as rounding changes them: how far that moves the step is a scale of
    its rounding errors, also where the optimizer divides by a difference.
    """

    def __init__(self, oracle: Oracle) -> None:
        self._oracle = oracle
        self._generator = torch.Generator().manual_seed(0)
        self._optimizer: Optimizer | None = None
        self._twist = max(unit_roundoff(oracle.case.torch_dtype), 1e-9)  # seen by float64 as well

    def follow(self, stacks: Sequence[Stack], convention: Convention) -> list[Expected | None]:
        """The next steps, of which each stack holds some; None where no state is kept."""
        if not self._oracle.keeps_state:
            return [None] * len(stacks)
        order = sorted(
            (position, at, k)
            for at, stack in enumerate(stacks)
            for k, position in enumerate(stack.positions)
        )
        columns = [self._columns(stack, convention) for stack in stacks]
        found = [(torch.empty_like(before), torch.empty_like(before)) for before, _ in columns]
        for _, at, k in order:
            before, gradient = columns[at]
            value, scale = found[at]
            value[k], scale[k] = self._step(before[k], gradient[k])
        return [
            Expected(value.to(stack.before.device), scale.to(stack.before.device), 1)
            for stack, (value, scale) in zip(stacks, found, strict=True)
        ]

    def _columns(self, stack: Stack, convention: Convention) -> tuple[Tensor, Tensor]:
        """Parameters and gradients (K, P) in the reference's units, on the CPU."""
        factor = self._oracle.factor / convention.gradient_factor(stack.rows)
        return stack.before.double().cpu(), stack.gradient.double().cpu() * factor

    def _step(self, before: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
        """One update (P,) and its scale."""
        start, slope = self._variants(before), self._variants(gradient)
        if self._optimizer is None:
            self._leaf = torch.zeros_like(start, requires_grad=True)
            self._optimizer = self._oracle.optimizer([self._leaf], self._oracle.lr)
        self._leaf.data, self._leaf.grad = start.clone(), slope
        self._optimizer.step(1)
        after = self._leaf.detach()
        moved = after - start
        spread = (moved[2:] - moved[0]).abs().amax(0) / self._twist
        scale = before.abs() + GATHERED * (moved[1].abs() + spread)
        return after[0], scale

    def _variants(self, values: Tensor) -> Tensor:
        """The values, their sizes, and the values changed by a rounding each: (2 + twists, P)."""
        twisted = _twisted(values.expand(_TWISTS, -1), self._twist, self._generator)
        return torch.cat((torch.stack((values, values.abs())), twisted))


def _twisted(values: Tensor, by: float, generator: torch.Generator) -> Tensor:
    """Every value made larger or smaller by this share of it, at random."""
    signs = torch.randint(0, 2, values.shape, generator=generator, dtype=values.dtype) * 2 - 1
    return values * (1 + by * signs.to(values.device))


def _keeps_state(make: Callable[[list[Tensor], float], Optimizer], lr: float) -> bool:
    """Whether an optimizer's second step depends on its first."""
    used, fresh = (torch.zeros(1, dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = make([used], lr)
    for gradient in (1.0, 0.25):
        used.data = torch.zeros_like(used)
        used.grad = torch.full_like(used, gradient)
        optimizer.step(1)
    fresh.grad = torch.full_like(fresh, 0.25)
    make([fresh], lr).step(1)
    return not torch.equal(used, fresh)


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
        (gradient,) = torch.autograd.grad(
            (self._y_hat * upstream).sum(), self._leaf, retain_graph=True
        )
        return gradient
