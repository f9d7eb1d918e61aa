"""What each stage of each recorded step should have been: the reference, run in float64, in bulk.

Every step is taken from the state that the trace recorded, so nothing drifts: the prediction from
the parameters before the step, the loss and the gradient from the recorded prediction, the update
from the recorded gradient. All of it is the reference's own: its model (`model_twin`), its loss
(`loss_twin`), its clip, its optimizer (`updates`). Beside each expected value stands its scale: its
size without cancellation, which is what rounding errors are relative to. Nothing here judges.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call

from harness.engine.case import Case, Data
from harness.engine.expected import Expected
from harness.engine.loss_twin import LossTwin
from harness.engine.model_twin import ModelTwin
from harness.engine.recipe import Convention, Recipe
from harness.engine.tolerance import unit_roundoff
from harness.engine.trace import Stack
from harness.engine.updates import History, Updates
from harness.errors import InputError


@dataclass(frozen=True)
class Expectation:
    """What a stack of steps should have been, in canonical units: the mean of the pair's own loss.

    `gradient` is what the update should have found (clipped, or summed up where the case never
    clears it), `fresh` the gradient of this step alone, `upstream` the derivative of the loss by
    the predictions, `parameter` the state after the update.
    """

    prediction: Expected
    loss: Expected
    upstream: Expected
    fresh: Expected
    gradient: Expected
    parameter: Expected


class Oracle:
    """The float64 twin of a reference recipe for one case.

    The reference's model has to be an `nn.Module`; `lr` is the learning rate that goes with the
    gradient of the mean of the pair's own loss.
    """

    def __init__(self, reference: Recipe, case: Case, data: Data, lr: float) -> None:
        self.reference, self.case = reference, case
        convention = reference.convention
        module = reference.model(*case.widths)
        if not isinstance(module, nn.Module):
            raise InputError(
                f"{reference.name} cannot be a reference: its model is no nn.Module; take a "
                "built-in recipe."
            )
        unit = unit_roundoff(case.torch_dtype)
        self.model = ModelTwin(
            module.to(device=data.features.device, dtype=torch.float64),
            reference.reading,
            unit,
            bounded=reference.is_bounded(reference.model) and case.pair.is_bounded(case),
            terms=sum(width + 1 for width in case.widths),
        )
        self.loss = LossTwin(reference, case.pair.shapes(case), unit)
        # the update runs in the reference's own units: not every optimizer makes up for others
        self.updates = Updates(
            reference.optimizer_for(case.optimizer),
            lr / convention.factor,
            convention,
            list(self.model.leaves.values()),
            unit,
        )

    def expect(
        self,
        stack: Stack,
        convention: Convention,
        handed: Tensor | None = None,
        updated: Expected | None = None,
    ) -> Expectation:
        """What the recorded steps should have been, given their own recorded states.

        The gradient is that of the recorded loss, or of the derivatives `handed` (K, m · width).
        Where the optimizer keeps a state, `updated` is what its `History` expects of these steps;
        without it each of them counts as the first.
        """
        before, X = stack.before.double(), stack.X
        X = X.double() if X.is_floating_point() else X
        steps = self.model.at(before, X)
        losses = self.loss.at(stack, steps.size)
        slope = losses.slope if handed is None else Expected(handed, handed.abs(), 1)
        prediction, fresh = steps.judged_by(slope.value, slope.scale)
        units = convention.gradient_factor(stack.rows)
        parameters = before[:, : self.updates.width]
        after = updated or self.updates.at(parameters, stack.gradient.double() / units, stack.rows)
        return Expectation(
            prediction=prediction,
            loss=self.loss_at(stack, stack.loss.shape[1], losses.means),
            upstream=losses.slope,
            fresh=fresh,
            gradient=self._summed_or_clipped(
                fresh, stack.gradient_before.double() / units, stack.rows
            ),
            parameter=_with_carried(after, steps.carried),
        )

    def loss_at(self, stack: Stack, width: int, means: Expected | None = None) -> Expected:
        """The loss at the recorded predictions: means of micro-batches, or by example.

        `width` is how many numbers a step's loss has, `means` saves computing them again.
        """
        if width != len(stack.micros):
            return self.loss.by_example(stack)
        return means or self.loss.at(stack, None).means

    def _summed_or_clipped(self, fresh: Expected, gradient_before: Tensor, rows: int) -> Expected:
        """The gradient that the update finds: summed up or clipped, where the case says so.

        The norm is clipped in the units of the reference.
        """
        value, scale = fresh.value, fresh.scale
        if not self.case.clear_gradients:
            value, scale = value + gradient_before, scale + gradient_before.abs()
        if self.case.clip:
            units = self.reference.convention.gradient_factor(rows)
            value = torch.stack([self._clipped(row) for row in value * units]) / units
            # the norm is rounded as well: its error spreads over all entries
            scale = scale + scale.norm(dim=1, keepdim=True)
        return Expected(value, scale, fresh.length, fresh.refine)

    def _clipped(self, gradient: Tensor) -> Tensor:
        leaves = []
        parts = gradient.split(self.model.sizes)
        for part, shape in zip(parts, self.model.leaves.values(), strict=True):
            leaves.append(torch.zeros(shape).to(part).requires_grad_())
            leaves[-1].grad = part.reshape(shape).clone()
        self.reference.clip(leaves, self.case.clip)
        return torch.cat([leaf.grad.reshape(-1) for leaf in leaves if leaf.grad is not None])

    def history(self) -> History:
        """An account of one side's steps, for an optimizer that keeps a state."""
        return self.updates.history()

    @torch.no_grad()
    def predict(self, state: Tensor, X: Tensor, *, training: bool = True) -> Tensor:
        """Predictions (m, ...), as the pair reads them, at a state (P + C,), in float64."""
        module = self.model.module.train(training)
        try:
            X = X.double() if X.is_floating_point() else X
            y_hat = functional_call(module, self.model.named(state.to(X.device).double()), (X,))
            return self.reference.reading.common(y_hat)
        finally:
            module.train()

    def evaluated(self, state: Tensor, X: Tensor) -> Expected:
        """Predictions (1, n · width) in evaluation mode at a state (P + C,)."""
        module = self.model.module.eval()
        try:
            X = X.double() if X.is_floating_point() else X
            steps = self.model.at(state.double().unsqueeze(0), X.unsqueeze(0))
            nothing = torch.zeros_like(steps.values)
            return steps.judged_by(nothing, nothing)[0]
        finally:
            module.train()

    @torch.no_grad()
    def loss_over(self, data: Data, state: Tensor) -> float:
        """The mean of the pair's own loss over all the data at a state (P + C,), in float64."""
        total = 0.0
        for X, y in data.blocks():
            labels = y.double() if y.is_floating_point() else y
            total += float(self.loss.mean_of(self.predict(state, X), labels)) * len(X)
        return total / len(data.features)


def _with_carried(after: Expected, carried: Tensor) -> Expected:
    """The state after an update: the parameters, and what the forward pass left beside them."""
    if not carried.shape[1]:
        return after
    scale = torch.cat((after.scale, carried.abs() + carried.abs().amax(1, keepdim=True)), 1)
    return Expected(torch.cat((after.value, carried), 1), scale, after.length)
