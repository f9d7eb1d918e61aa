"""Mistakes in the initial parameters: no gradient, no leaf, the wrong dtype, scale or bias.

Every form keeps the shapes that the base draws, so that only the mistake shows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from harness.engine.components import INITIALISATION
from harness.engine.recipe import Recipe
from harness.mistakes.mistake import Form, Mistake, form

_Drawn = tuple[Tensor, Tensor]


def _form(name: str, wrong: Callable[[Tensor, Tensor], _Drawn]) -> Form:
    """`wrong(w, b)` makes what is returned of the values that the base draws."""

    def init(base: Recipe) -> Callable[[int], _Drawn]:
        def drawn(d: int) -> _Drawn:
            w, b = base.init(d)
            return wrong(w.detach().clone(), b.detach().clone())

        return drawn

    return form(INITIALISATION, name, init)


def _leaves(w: Tensor, b: Tensor) -> _Drawn:
    return w.requires_grad_(), b.requires_grad_()


def _scaled(name: str, factor: float) -> Form:
    return _form(name, lambda w, b: _leaves(w * factor, b))


def _biased(name: str, bias: Callable[[Tensor, Tensor], Tensor]) -> Form:
    return _form(name, lambda w, b: _leaves(w, bias(w, b)))


_mistake = partial(Mistake, component=INITIALISATION)

MISTAKES = (
    _mistake(
        id="init.no-grad",
        first_stage="gradient",
        what="A parameter does not ask for gradients.",
        hint="Print `w.requires_grad` and `b.requires_grad`.",
        fix="Make both with `requires_grad=True`.",
        tell="backward raises, or the gradient of that parameter is None",
        forms=(
            _form("neither", lambda w, b: (w, b)),
            _form("not the weight", lambda w, b: (w, b.requires_grad_())),
            _form("not the bias", lambda w, b: (w.requires_grad_(), b)),
        ),
    ),
    _mistake(
        id="init.non-leaf",
        first_stage="gradient",
        what="A parameter is computed from the tensor that asks for gradients, so that its own "
        "gradient is not kept.",
        hint="Print `w.is_leaf`, and `w.grad` after a backward pass.",
        fix="Scale and reshape first and call `requires_grad_()` last.",
        tell="the gradient is None although the parameter asks for gradients",
        forms=(
            _form(
                "scaled afterwards",
                lambda w, b: ((w * 100).requires_grad_() * 0.01, b.requires_grad_()),
            ),
            _form(
                "reshaped afterwards",
                lambda w, b: (w.flatten().requires_grad_().reshape(w.shape), b.requires_grad_()),
            ),
        ),
    ),
    _mistake(
        id="init.dtype",
        first_stage="prediction",
        what="A parameter has another dtype than the features.",
        hint="Print the dtypes of w, of b and of the features.",
        fix="Let torch choose: `torch.normal(0, sigma, size)` and `torch.zeros(1)` have the "
        "default dtype.",
        tell="the product of features and weight raises, or the prediction has another dtype",
        forms=(
            _form("float64", lambda w, b: _leaves(w.double(), b.double())),
            _form("float64 weight", lambda w, b: _leaves(w.double(), b)),
            _form("integer bias", lambda w, b: (w.requires_grad_(), b.long())),
        ),
    ),
    _mistake(
        id="init.scale",
        first_stage="parameter",
        what="The weights are drawn with another standard deviation than asked for.",
        hint="Draw a thousand weights and print their standard deviation.",
        fix="Draw with standard deviation sigma: `torch.normal(0, sigma, size)`.",
        tell="the deviation of many drawn weights is not sigma",
        forms=(
            _scaled("standard deviation 1", 100),
            _scaled("ten times sigma", 10),
            _scaled("sigma squared", 0.01),
            _scaled("all zero", 0),
        ),
    ),
    _mistake(
        id="init.constant-bias",
        first_stage="parameter",
        what="The bias does not start at zero.",
        hint="Print b right after it is made.",
        fix="Start the bias at zero: `torch.zeros(1, requires_grad=True)`.",
        tell="the bias before the first step",
        forms=(
            _biased("one", lambda _w, b: b + 1),
            _biased(
                "drawn like the weight", lambda w, b: torch.full_like(b, float(w.flatten()[0]))
            ),
        ),
    ),
)
