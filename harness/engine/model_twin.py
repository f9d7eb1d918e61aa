"""The reference's model in float64, for all steps of a stack at once, with what rounding can do.

Steps of equal shapes are computed by `torch.func.vmap` over the reference's own module, one by one
where torch has no rule for that (recurrent layers). The scale is the model on absolute values where
it is a sum of products, which does not cancel there; else it is sampled by random rounding.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from functools import cached_property, partial

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap

from harness.engine.expected import Expected, between, sampled, shared
from harness.engine.recipe import PLAIN, Reading
from harness.engine.rounding import RUNS, RandomRounding, moved

SAMPLED = 6  # steps of a stack whose scale is sampled
LOOPED = 2  # the same where steps are run one by one
LOOPED_RUNS = 6

# From a state (P + C,) and features (m, ...): predictions (m · width,) and the carried state (C,).
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class ModelTwin:
    """A module in float64; `bounded` where it is a sum of products, `unit` what one rounding is.

    `terms` are those that a bounded model sums up to a prediction.
    """

    def __init__(
        self, module: nn.Module, reading: Reading, unit: float, *, bounded: bool, terms: int
    ) -> None:
        self.module, self.reading, self.unit, self.terms = module, reading, unit, terms
        self.bounded = bounded and reading is PLAIN
        self.leaves = {name: p.shape for name, p in module.named_parameters()}
        carried = [(n, b.shape) for n, b in module.named_buffers() if b.is_floating_point()]
        self.carried = dict(carried)
        self.sizes = [shape.numel() for shape in self.leaves.values()]
        self.width = sum(self.sizes)
        self._batched = True

    @cached_property
    def on_cpu(self) -> ModelTwin:
        """The same twin on the CPU, where random rounding is done: there it works on all torch."""
        if all(value.device.type == "cpu" for value in self.module.state_dict().values()):
            return self
        module = copy.deepcopy(self.module).cpu()
        return ModelTwin(module, self.reading, self.unit, bounded=self.bounded, terms=self.terms)

    def at(self, before: Tensor, X: Tensor) -> ModelSteps:
        """The model at these states (K, P + C) on these features (K, m, ...), in float64."""
        return ModelSteps(self, before, X)

    def run(self, before: Tensor, X: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """States that require gradients, predictions (K, m · width) and what is carried (K, C)."""
        leaf = before.detach().requires_grad_()
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns where vmap is slow
            if self._batched:
                try:
                    return leaf, *vmap(self.step)(leaf, X)
                except RuntimeError:
                    self._batched = False
            steps = [self.step(state, x) for state, x in zip(leaf, X, strict=True)]
        predictions, carried = (torch.stack(column) for column in zip(*steps, strict=True))
        return leaf, predictions, carried

    @property
    def samples(self) -> int:
        """How many steps of a stack are sampled."""
        return SAMPLED if self._batched else LOOPED

    @property
    def runs(self) -> int:
        """How many random runs each sampled step has."""
        return RUNS if self._batched else LOOPED_RUNS

    def step(self, state: Tensor, X: Tensor) -> tuple[Tensor, Tensor]:
        """One forward pass on a state (P + C,); in training mode, as a step of training is."""
        named = self.named(state)
        y_hat = functional_call(self.module, named, (X,))
        carried = [named[name].reshape(-1) for name in self.carried]
        common = self.reading.common(y_hat).reshape(-1)
        return common, torch.cat(carried) if carried else state.new_empty(0)

    def named(self, state: Tensor) -> dict[str, Tensor]:
        """A flat state -> the module's own names and shapes; what is carried may be written to."""
        layout = {**self.leaves, **self.carried}
        parts = state.split([shape.numel() for shape in layout.values()])
        return {
            name: part.reshape(shape) if name in self.leaves else part.detach().reshape(shape) * 1
            for (name, shape), part in zip(layout.items(), parts, strict=True)
        }


class ModelSteps:
    """The model at the states of some steps: predictions, gradients, and their scales."""

    def __init__(self, twin: ModelTwin, before: Tensor, X: Tensor) -> None:
        self.twin, self.before, self.X = twin, before, X
        if twin.bounded:  # values and sizes in one go
            before, X = torch.cat((before, before.abs())), torch.cat((X, X.abs()))
        self._leaf, self._y_hat, carried = twin.run(before, X)
        self.values = self._y_hat.detach()[: len(self.X)]
        self.carried = carried.detach()[: len(self.X)]

    def judged_by(self, slope: Tensor, slope_scale: Tensor) -> tuple[Expected, Expected]:
        """Predictions, and the gradient by the parameters where their derivatives are `slope`."""
        return (
            self._bounded(slope, slope_scale)
            if self.twin.bounded
            else self._sampled(slope, slope_scale)
        )

    @property
    def size(self) -> Tensor | None:
        """Predictions on absolute values, of a bounded model."""
        return self._y_hat.detach()[len(self.X) :] if self.twin.bounded else None

    def _bounded(self, slope: Tensor, slope_scale: Tensor) -> tuple[Expected, Expected]:
        size = self._y_hat.detach()[len(self.X) :]
        gradient, sizes = self._pulled(torch.cat((slope, slope_scale))).chunk(2)
        length = self.X.shape[1] + self.twin.terms - self.X[0, 0].numel() - 1
        return (
            Expected(self.values, size, self.twin.terms),
            Expected(gradient, sizes, length),
        )

    def _pulled(self, slope: Tensor) -> Tensor:
        return _gradient(self._leaf, self._y_hat, slope)[:, : self.twin.width]

    def _sampled(self, slope: Tensor, slope_scale: Tensor) -> tuple[Expected, Expected]:
        gradient = self._pulled(slope)
        steps = sampled(len(self.X), self.twin.samples)
        scales = partial(self._scales, slope, slope_scale, gradient)
        sample, length = scales(steps)
        predicted, pulled = (between(steps, scale, len(self.X)) for scale in sample)
        return (
            Expected(self.values, predicted, length, lambda more: scales(more)[0][0]),
            Expected(gradient, pulled, length, lambda more: scales(more)[0][1]),
        )

    def _scales(
        self, slope: Tensor, slope_scale: Tensor, gradient: Tensor, steps: Sequence[int]
    ) -> tuple[tuple[Tensor, Tensor], float]:
        """Scales (S, ...) of predictions and gradients at these steps, by random rounding."""
        twin, chosen, runs = self.twin.on_cpu, list(steps), self.twin.runs
        mode = RandomRounding(twin.unit)

        def repeated(values: Tensor) -> Tensor:
            return values[chosen].cpu().repeat(runs, *[1] * (values.ndim - 1))

        before, X = mode.rounded(repeated(self.before)), mode.rounded(repeated(self.X))
        off = repeated(slope_scale)
        shaken = repeated(slope) + mode.rounded(off) - off
        with mode:
            leaf, y_hat, _ = twin.run(before, X)
            pulled = _gradient(leaf, y_hat, shaken)[:, : twin.width]
        by_run = (runs, len(chosen))
        exact = self.values[chosen].cpu(), gradient[chosen].cpu()
        predicted = moved(y_hat.detach().unflatten(0, by_run), exact[0], twin.unit)
        pulled = moved(pulled.unflatten(0, by_run), exact[1], twin.unit)
        scales = shared(predicted, [predicted.shape[1]]), shared(pulled, twin.sizes)
        return (scales[0].to(self.values), scales[1].to(gradient)), mode.fused


def _gradient(leaf: Tensor, y_hat: Tensor, slope: Tensor) -> Tensor:
    if not y_hat.requires_grad:
        return torch.zeros_like(leaf)
    (gradient,) = torch.autograd.grad((y_hat * slope).sum(), leaf, retain_graph=True)
    return gradient
