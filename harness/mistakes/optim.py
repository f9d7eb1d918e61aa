"""Mistakes in plain gradient descent: its direction, its size, which parameters move.

Every form of plain SGD is a function `sgd(params, lr, batch_size)`, told the length that a summed
gradient is to be divided by: 1 where the gradient is a mean already.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from harness.engine.components import OPTIMIZER
from harness.engine.pieces import FunctionalSGD
from harness.engine.recipe import Optimizer, Recipe
from harness.mistakes.mistake import Form, Mistake, form, optimizer_of

SGD = Callable[[Sequence[Tensor], float, int], None]
_Rule = Callable[[Tensor, Tensor, float, int], Tensor]  # parameter, gradient, lr, m -> parameter


def _form(name: str, sgd: SGD, *, summed: bool = False) -> Form:
    """A wrong `sgd`; `summed` says that only bases which divide in the update can have it."""

    def piece(base: Recipe) -> Callable[[list[Tensor], float], Optimizer] | None:
        family, settings = optimizer_of(base)
        plain = family == "SGD" and not settings.get("momentum")
        divides = base.convention.reduction == "none"
        return partial(FunctionalSGD, sgd) if plain and (divides or not summed) else None

    return form(OPTIMIZER, name, piece)


def _ruled(name: str, rule: _Rule, *, summed: bool = False) -> Form:
    """A `sgd` that sets every parameter p to `rule(p, gradient, lr, batch_size)`."""

    def sgd(params: Sequence[Tensor], lr: float, batch_size: int) -> None:
        with torch.no_grad():
            for p in params:
                if p.grad is not None:
                    p.copy_(rule(p, p.grad, lr, batch_size))

    return _form(name, sgd, summed=summed)


def _rebinds(params: Sequence[Tensor], lr: float, batch_size: int) -> None:
    for p in params:
        if p.grad is not None:
            p = p - lr * p.grad / batch_size


def _tracked(params: Sequence[Tensor], lr: float, batch_size: int) -> None:
    for p in params:
        if p.grad is not None:
            p -= lr * p.grad / batch_size


def _only(chosen: slice) -> SGD:
    def sgd(params: Sequence[Tensor], lr: float, batch_size: int) -> None:
        with torch.no_grad():
            for p in params[chosen]:
                if p.grad is not None:
                    p -= lr * p.grad / batch_size

    return sgd


def _zeroes_first(params: Sequence[Tensor], lr: float, batch_size: int) -> None:
    with torch.no_grad():
        for p in params:
            if p.grad is not None:
                p.grad.zero_()
                p -= lr * p.grad / batch_size


_mistake = partial(Mistake, component=OPTIMIZER, first_stage="parameter", pair=None)

MISTAKES = (
    _mistake(
        id="sgd.ascends",
        what="The step goes along the gradient, uphill.",
        hint="Does the loss rise or fall over the first few steps?",
        fix="Subtract the step: `p -= lr * p.grad / batch_size`.",
        tell="the change of every parameter is the right one with the opposite sign",
        forms=(_ruled("p + lr · grad", lambda p, g, lr, m: p + lr * g / m),),
    ),
    _mistake(
        id="sgd.no-update",
        what="The update gives a new tensor a local name; the parameter itself stays as it is.",
        hint="Print a parameter before and after the update, from outside the function.",
        fix="Change the parameter in place: `p -= lr * p.grad / batch_size` under "
        "`torch.no_grad()`.",
        tell="no parameter ever changes",
        forms=(_form("p = p - lr · grad", _rebinds),),
    ),
    _mistake(
        id="sgd.tracks-graph",
        what="The update is made while autograd is recording, which a parameter does not allow.",
        hint="Should the update be differentiated as well? Look up how to tell autograd to pause.",
        fix="Put the update inside `with torch.no_grad():`.",
        tell="RuntimeError: a leaf that requires gradients is used in an in-place operation",
        forms=(_form("in place, recorded", _tracked),),
    ),
    _mistake(
        id="sgd.first-parameter-only",
        what="Only one of the parameters is updated.",
        hint="Print all parameters after a few steps: which of them are still at their start?",
        fix="Go through all of `params`; a `return` belongs behind the loop, not into it.",
        tell="one parameter never changes",
        forms=(
            _form("returns inside the loop", _only(slice(1))),
            _form("leaves out the first", _only(slice(1, None))),
        ),
    ),
    _mistake(
        id="sgd.decays-parameter",
        what="The step is taken from the parameter's own value, not from its gradient.",
        hint="What does your update do where the gradient is zero?",
        fix="Use the gradient: `p -= lr * p.grad / batch_size`.",
        tell="every parameter shrinks toward 0 at the same rate",
        forms=(
            _ruled("p - lr · p", lambda p, _g, lr, _m: p - lr * p),
            _ruled("p - lr · p / m", lambda p, _g, lr, m: p - lr * p / m, summed=True),
        ),
    ),
    _mistake(
        id="sgd.overwrites",
        what="The parameter is replaced by the step, and its old value is lost.",
        hint="Where would a learning rate of 0 leave the parameters?",
        fix="Start from the old value: `p -= lr * p.grad / batch_size`.",
        tell="the new value does not depend on the old one",
        forms=(
            _ruled("p = -lr · grad", lambda _p, g, lr, m: -lr * g / m),
            _ruled("p = lr · grad", lambda _p, g, lr, m: lr * g / m),
        ),
    ),
    _mistake(
        id="sgd.ignores-batch-size",
        what="The gradient of a sum is used without dividing by the length of the batch.",
        hint="How should a step change when every example stands in the batch twice?",
        fix="Divide by the batch length: `p -= lr * p.grad / batch_size`.",
        tell="the change is too large by the length of the batch",
        forms=(_ruled("p - lr · grad", lambda p, g, lr, _m: p - lr * g, summed=True),),
    ),
    _mistake(
        id="sgd.divides-twice",
        what="The gradient is divided by the length of the batch twice.",
        hint="Count every place between the examples and the update that divides.",
        fix="Divide once: `p -= lr * p.grad / batch_size`.",
        tell="the change is too small by the length of the batch",
        forms=(_ruled("p - lr · grad / m²", lambda p, g, lr, m: p - lr * g / m**2, summed=True),),
    ),
    _mistake(
        id="sgd.double-step",
        what="The update is applied twice.",
        hint="Compare the change of one parameter over one step with lr times its gradient.",
        fix="Apply the update once for each call.",
        tell="the change is exactly twice the right one",
        forms=(_ruled("twice", lambda p, g, lr, m: p - lr * g / m - lr * g / m),),
    ),
    _mistake(
        id="sgd.sign-only",
        what="Only the sign of the gradient is used, not its size.",
        hint="Do the steps get smaller as the loss comes near its minimum?",
        fix="Use the gradient itself: `p -= lr * p.grad / batch_size`.",
        tell="every change has the same size",
        forms=(
            _ruled("lr · sign", lambda p, g, lr, _m: p - lr * g.sign()),
            _ruled("lr · sign / m", lambda p, g, lr, m: p - lr * g.sign() / m, summed=True),
        ),
    ),
    _mistake(
        id="sgd.zeroes-first",
        what="The gradient is cleared before it is used.",
        hint="Print the gradient right before the line that uses it.",
        fix="Update first and clear afterwards.",
        tell="no parameter ever changes, and the gradient is 0 after the update",
        forms=(_form("grad.zero_(), then the step", _zeroes_first),),
    ),
)
