"""Mistakes in optimizers that remember: momentum, Adagrad, RMSprop, Adam and AdamW.

A form takes the settings of the base's own optimizer and gets one thing wrong. Where the base's
optimizer is of another family, or its settings leave nothing to get wrong, there is no form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from harness.engine.case import UpdateRule
from harness.engine.components import OPTIMIZER
from harness.engine.recipe import Optimizer, Recipe
from harness.mistakes.mistake import Form, Mistake, form, optimizer_of

Settings = Mapping[str, Any]


@dataclass
class _Memory:
    """What is kept for one parameter: the steps so far, and averages that start at zero."""

    mean: Tensor
    square: Tensor
    steps: int = 0


class _Remembering:
    """Moves each parameter p by -lr · direction; weight decay is added to the gradient."""

    def __init__(self, settings: Settings, parameters: list[Tensor], lr: float) -> None:
        self.settings, self.parameters, self.lr = settings, parameters, lr
        self.decay: float = settings.get("weight_decay", 0.0)
        self.eps: float = settings.get("eps", 0.0)
        self.momentum: float = settings.get("momentum", 0.0)
        self.memories = [_Memory(torch.zeros_like(p), torch.zeros_like(p)) for p in parameters]

    def step(self, batch_length: int) -> None:
        """Update from summed gradients, or from means where the length is 1."""
        with torch.no_grad():
            for p, memory in zip(self.parameters, self.memories, strict=True):
                if p.grad is not None:
                    memory.steps += 1
                    p.sub_(self.direction(memory, p, p.grad / batch_length), alpha=self.lr)

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None

    def direction(self, memory: _Memory, p: Tensor, gradient: Tensor) -> Tensor:
        """Where to go against, for a gradient that is a mean."""
        return self.decayed_direction(memory, gradient + self.decay * p)

    def decayed_direction(self, memory: _Memory, gradient: Tensor) -> Tensor:
        """The same once the weight decay is in the gradient."""
        raise NotImplementedError


class Adam(_Remembering):
    """The right Adam, and AdamW where `decoupled`; a wrong one overrides what it gets wrong."""

    decoupled = False

    def direction(self, memory: _Memory, p: Tensor, gradient: Tensor) -> Tensor:
        """As above, but AdamW's decay stands beside Adam's step."""
        if not self.decoupled:
            return super().direction(memory, p, gradient)
        return self.decayed_direction(memory, gradient) + self.decay * p

    def decayed_direction(self, memory: _Memory, gradient: Tensor) -> Tensor:
        """Corrected mean over the root of the corrected mean square."""
        beta1, beta2 = self.betas()
        memory.mean = beta1 * memory.mean + (1 - beta1) * gradient
        memory.square = beta2 * memory.square + (1 - beta2) * self.squared(memory, gradient)
        mean = memory.mean / self.weight(beta1, memory.steps)
        return mean / self.size(memory.square / self.weight(beta2, memory.steps))

    def betas(self) -> tuple[float, float]:
        """How much of the two averages is kept."""
        beta1, beta2 = self.settings["betas"]
        return beta1, beta2

    def squared(self, memory: _Memory, gradient: Tensor) -> Tensor:
        """What the second average is of."""
        del memory
        return gradient**2

    def weight(self, beta: float, steps: int) -> float | Tensor:
        """What the gradients so far weigh together in an average."""
        return 1 - beta**steps

    def size(self, square: Tensor) -> Tensor:
        """What the mean is divided by."""
        return square.sqrt() + self.eps


class _Uncorrected(Adam):
    def weight(self, beta: float, steps: int) -> float | Tensor:
        del beta, steps
        return 1.0


class _MeanUncorrected(Adam):
    def weight(self, beta: float, steps: int) -> float | Tensor:
        return 1.0 if beta == self.betas()[0] else super().weight(beta, steps)


class _SquareUncorrected(Adam):
    def weight(self, beta: float, steps: int) -> float | Tensor:
        return 1.0 if beta == self.betas()[1] else super().weight(beta, steps)


class _EpsInside(Adam):
    def size(self, square: Tensor) -> Tensor:
        return (square + self.eps).sqrt()


class _ShortMemory(Adam):
    def betas(self) -> tuple[float, float]:
        return super().betas()[0], 0.99


class _CountedFromZero(Adam):
    def weight(self, beta: float, steps: int) -> float | Tensor:
        # a tensor divides by 0 without raising; in float64, as the plain number would
        return torch.tensor(1 - beta ** (steps - 1), dtype=torch.float64)


class _CountsLate(Adam):
    def weight(self, beta: float, steps: int) -> float | Tensor:
        return super().weight(beta, max(steps - 1, 1))


class _SquareOfMean(Adam):
    def squared(self, memory: _Memory, gradient: Tensor) -> Tensor:
        del gradient
        return super().squared(memory, memory.mean)


class _SquareOverEntries(Adam):
    def squared(self, memory: _Memory, gradient: Tensor) -> Tensor:
        return super().squared(memory, gradient).mean().expand_as(gradient)


class _RMSpropInside(_Remembering):
    def decayed_direction(self, memory: _Memory, gradient: Tensor) -> Tensor:
        alpha: float = self.settings["alpha"]
        memory.square = alpha * memory.square + (1 - alpha) * gradient**2
        return gradient / (memory.square + self.eps).sqrt()


class _AdagradInside(_Remembering):
    def decayed_direction(self, memory: _Memory, gradient: Tensor) -> Tensor:
        memory.square = memory.square + gradient**2
        return gradient / (memory.square + self.eps).sqrt()


class Momentum(_Remembering):
    """The right velocity; a wrong one overrides how it is kept."""

    def decayed_direction(self, memory: _Memory, gradient: Tensor) -> Tensor:
        """The velocity, or with nesterov the gradient one step ahead."""
        memory.mean = self.velocity(memory, gradient)
        if self.settings.get("nesterov"):
            return gradient + self.momentum * memory.mean
        return memory.mean

    def velocity(self, memory: _Memory, gradient: Tensor) -> Tensor:
        """The first gradient as it is, and then momentum · velocity + damped gradient."""
        if memory.steps == 1:
            return gradient.clone()
        dampening: float = self.settings["dampening"]
        return self.momentum * memory.mean + (1 - dampening) * gradient


class _DampedFromTheStart(Momentum):
    def velocity(self, memory: _Memory, gradient: Tensor) -> Tensor:
        memory.steps += 1
        return super().velocity(memory, gradient)


class _Forgetful(Momentum):
    def velocity(self, memory: _Memory, gradient: Tensor) -> Tensor:
        memory.mean.zero_()
        return super().velocity(memory, gradient)


class _AlwaysFirst(Momentum):
    def velocity(self, memory: _Memory, gradient: Tensor) -> Tensor:
        memory.steps = 1
        return super().velocity(memory, gradient)


def _keeping(momentum: float) -> type[_Remembering]:
    class KeepsMomentum(_Remembering):
        def decayed_direction(self, memory: _Memory, gradient: Tensor) -> Tensor:
            memory.mean = momentum * memory.mean + gradient
            return memory.mean

    return KeepsMomentum


def _form(
    name: str,
    wrong: type[_Remembering],
    families: tuple[str, ...],
    possible: Callable[[Settings], bool] = lambda _: True,
) -> Form:
    """A wrong optimizer in the place of one of these families whose settings make it possible."""

    def piece(base: Recipe) -> Callable[[list[Tensor], float], Optimizer] | None:
        family, settings = optimizer_of(base)
        if family not in families or not possible(settings):
            return None
        return partial(wrong, settings)

    return form(OPTIMIZER, name, piece)


def _global(momentum: float) -> Form:
    """The velocity kept outside the optimizer, so that the next one made goes on with it."""

    def piece(base: Recipe) -> Callable[[list[Tensor], float], Optimizer] | None:
        family, settings = optimizer_of(base)
        if family != "SGD" or not _plain(settings):
            return None
        kept: list[_Memory] = []

        def optimizer(parameters: list[Tensor], lr: float) -> Optimizer:
            made = _keeping(momentum)(settings, parameters, lr)
            if [memory.mean.shape for memory in kept] != [p.shape for p in parameters]:
                kept[:] = made.memories
            made.memories = kept
            return made

        return optimizer

    return form(OPTIMIZER, f"velocity in a global, momentum {momentum}", piece)


def _adam(name: str, wrong: type[Adam], possible: Callable[[Settings], bool] | None = None) -> Form:
    """A wrong Adam, or the same wrong AdamW."""

    class Decoupled(wrong):  # type: ignore[valid-type, misc]
        decoupled = True

    plain, decoupled = (
        _form(name, kind, (family,), possible or (lambda _: True))
        for kind, family in ((wrong, "Adam"), (Decoupled, "AdamW"))
    )
    return Form(name, lambda base: plain.make(base) or decoupled.make(base))


def _other_eps(eps: float) -> Form:
    class OtherEps(Adam):
        def size(self, square: Tensor) -> Tensor:
            return square.sqrt() + eps

    return _adam(f"eps {eps:g}", OtherEps, lambda s: bool(s["eps"] != eps))


def _momentum(name: str, wrong: type[Momentum], possible: Callable[[Settings], bool]) -> Form:
    return _form(name, wrong, ("SGD",), lambda s: bool(s.get("momentum")) and possible(s))


def _plain(settings: Settings) -> bool:
    return not settings.get("momentum")


_mistake = partial(Mistake, component=OPTIMIZER, first_stage="parameter", pair=None)


def _on(rule: str, dtype: str = "float32", **settings: float) -> Settings:
    """Settings of a case with this optimizer."""
    return {"optimizer": UpdateRule.of(rule, **settings), "dtype": dtype}


# in float32 an eps is lost beside a gradient of usual size
_EPS = {rule: _on(rule, "float64") for rule in ("adagrad", "rmsprop", "adam")}

MISTAKES = (
    _mistake(
        id="sgd.keeps-momentum",
        what="The update remembers earlier gradients where plain gradient descent is asked.",
        hint="Call your update twice with the same parameters and gradients: is the change the "
        "same?",
        fix="Use only the gradient of this step: `p -= lr * p.grad / batch_size`.",
        tell="the first change is right; the later ones carry a part of those before",
        forms=(
            *(
                _form(f"velocity kept, momentum {momentum}", _keeping(momentum), ("SGD",), _plain)
                for momentum in (0.9, 0.5)
            ),
            *map(_global, (0.9, 0.5)),
        ),
    ),
    _mistake(
        id="momentum.dampening-first-step",
        what="The first velocity is damped, where there is nothing before it to average with.",
        hint="What should the velocity be after one step, when it had no value before?",
        fix="Start the velocity as the first gradient itself, and dampen from the second step on.",
        tell="the first change is too small by the factor 1 - dampening",
        forms=(
            _momentum("damped from the start", _DampedFromTheStart, lambda s: s["dampening"] != 0),
        ),
        where=_on("sgd", momentum=0.9, dampening=0.5),
    ),
    _mistake(
        id="momentum.no-velocity-carry",
        what="The velocity is not kept from one step to the next.",
        hint="Print the velocity at the start of the second step.",
        fix="Store the velocity on the optimizer, one for each parameter.",
        tell="every change is that of a first step",
        forms=(
            _momentum("velocity starts at zero each step", _Forgetful, lambda _: True),
            _momentum("every step is a first one", _AlwaysFirst, lambda _: True),
        ),
        where=_on("sgd", momentum=0.9),
    ),
    _mistake(
        id="adagrad.eps-inside-root",
        what="The term eps is added to the sum of squares before the root is taken, not after.",
        hint="How large is the divisor for a gradient of exactly 0?",
        fix="Add eps to the root: `s.sqrt() + eps`.",
        tell="only entries with small gradients differ",
        forms=(
            _form(
                "√(s + eps)",
                _AdagradInside,
                ("Adagrad",),
                lambda s: s["eps"] > 0 and not s.get("lr_decay"),
            ),
        ),
        where=_EPS["adagrad"],
    ),
    _mistake(
        id="rmsprop.eps-inside-root",
        what="The term eps is added to the average of squares before the root is taken, not after.",
        hint="How large is the divisor for a gradient of exactly 0?",
        fix="Add eps to the root: `s.sqrt() + eps`.",
        tell="only entries with small gradients differ",
        forms=(
            _form(
                "√(s + eps)",
                _RMSpropInside,
                ("RMSprop",),
                lambda s: s["eps"] > 0 and not s.get("momentum") and not s.get("centered"),
            ),
        ),
        where=_EPS["rmsprop"],
    ),
    _mistake(
        id="adam.no-bias-correction",
        what="The averages are used as they are, although they start at zero and are too small "
        "at first.",
        hint="What is the average of gradients after a single step, if it started at zero?",
        fix="Divide by what the gradients weigh: `m / (1 - beta1**t)` and `v / (1 - beta2**t)`.",
        tell="the first changes have the wrong size; the difference fades with the steps",
        forms=(
            _adam("neither average", _Uncorrected),
            _adam("not the mean", _MeanUncorrected, lambda s: s["betas"][0] != s["betas"][1]),
            _adam("not the square", _SquareUncorrected, lambda s: s["betas"][0] != s["betas"][1]),
        ),
        where=_on("adam"),
    ),
    _mistake(
        id="adam.eps-inside-root",
        what="The term eps is added to the average of squares before the root is taken, not after.",
        hint="How large is the divisor for a gradient of exactly 0?",
        fix="Add eps to the root: `v_hat.sqrt() + eps`.",
        tell="only entries with small gradients differ",
        forms=(_adam("√(v + eps)", _EpsInside, lambda s: s["eps"] > 0),),
        where=_EPS["adam"],
    ),
    _mistake(
        id="adam.eps-value",
        what="The term eps has another value than the one it is compared with.",
        hint="Look up the default of every setting of the built-in optimizer.",
        fix="Pass the same value on both sides: `eps=1e-8` is torch's default.",
        tell="only entries with small gradients differ, by the difference of the two values",
        forms=tuple(_other_eps(eps) for eps in (1e-7, 1e-6)),
        where=_EPS["adam"],
    ),
    _mistake(
        id="adam.beta2",
        what="The average of squares forgets ten times too fast: beta2 is 0.99.",
        hint="Over about how many steps should the squares be averaged?",
        fix="Use the value asked for: `beta2=0.999` is torch's default.",
        tell="the first change is right; the gap grows with the steps",
        forms=(_adam("beta2 0.99", _ShortMemory, lambda s: s["betas"][1] != 0.99),),
        where=_on("adam"),
    ),
    _mistake(
        id="adam.coupled-decay",
        what="The weight decay is added to the gradient and enters both averages.",
        hint="Should a weight with large gradients decay at another rate than the others?",
        fix="Shrink the parameter by itself: `p *= 1 - lr * weight_decay`, then take Adam's step.",
        tell="nothing differs without weight decay",
        forms=(_form("decay in the gradient", Adam, ("AdamW",), lambda s: s["weight_decay"] != 0),),
        where=_on("adamw", weight_decay=0.1),
    ),
    _mistake(
        id="adam.step-from-zero",
        what="The steps are counted from 0, so the correction is always that of the step before.",
        hint="Put t = 0 into the correction by hand.",
        fix="Count the step before it is used: `t += 1` first.",
        tell="the first change is not a number, or too large",
        forms=(
            _adam("counted from 0", _CountedFromZero),
            _adam("counted from 0, at least 1", _CountsLate),
        ),
        where=_on("adam"),
    ),
    _mistake(
        id="adam.second-moment-of-mean",
        what="The second average is not that of the squares of the gradient's own entries.",
        hint="Write down what v averages for a parameter with two entries, and for a gradient that "
        "changes its sign at every step.",
        fix="Average the squared gradient entry by entry: "
        "`v = beta2 * v + (1 - beta2) * p.grad ** 2`.",
        tell="changes are too large where the gradient changes its sign, or have a size in common",
        forms=(
            _adam("square of the average", _SquareOfMean),
            _adam("one square for all entries", _SquareOverEntries),
        ),
        where=_on("adam"),
    ),
)
