"""Mistakes in the model: a bias that is missing or subtracted, wrong products, shapes, graphs.

Every form is a function `net(X, w, b)` with w of shape (d, 1) and b of shape (1,). Does not cover
models with a hidden layer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from harness.engine.components import MODEL
from harness.engine.pieces import Functional
from harness.engine.recipe import Model, Recipe
from harness.mistakes.mistake import Form, Mistake, form

Net = Callable[[Tensor, Tensor, Tensor], Tensor]


def _form(name: str, net: Net) -> Form:
    def piece(base: Recipe) -> Callable[[int], Model]:
        def model(d: int) -> Model:
            w, b = base.init(d)
            return Functional(net, (w.detach().reshape(d, 1), b.detach().reshape(1)))

        return model

    return form(MODEL, name, piece)


def _activated(function: Callable[[Tensor], Tensor], name: str) -> Form:
    return _form(name, lambda X, w, b: function(X @ w + b))


def _undefined_name(*_: Tensor) -> Tensor:
    raise NameError("name 'bias' is not defined")


_mistake = partial(Mistake, component=MODEL)

MISTAKES = (
    _mistake(
        id="model.no-bias",
        first_stage="prediction",
        what="The bias is not added to the prediction.",
        hint="Change b by hand: does any prediction change?",
        fix="Add the bias: `X @ w + b`.",
        tell="the prediction does not depend on b, and b gets no gradient or a zero one",
        forms=(
            _form("left out", lambda X, w, _b: X @ w),
            _form("multiplied by zero", lambda X, w, b: X @ w + 0 * b),
        ),
    ),
    _mistake(
        id="model.bias-sign",
        first_stage="gradient",
        what="The bias is subtracted.",
        hint="Try b = 1 with all features 0: what should the prediction be?",
        fix="Add the bias: `X @ w + b`.",
        tell="nothing shows while b is 0; then the gradient of b has the opposite sign",
        forms=(_form("X @ w - b", lambda X, w, b: X @ w - b),),
    ),
    _mistake(
        id="model.elementwise",
        first_stage="prediction",
        what="Features and weights are multiplied entry by entry, and the products of an example "
        "are not added up.",
        hint="How many numbers should the model return for one example?",
        fix="Use the matrix product: `X @ w + b`.",
        tell="raises, or returns d numbers for each example",
        forms=(
            _form("X * w", lambda X, w, b: X * w + b),
            _form("X * w as a row", lambda X, w, b: X * w.reshape(1, -1) + b),
        ),
        where={"weight": (2.0, -3.4)},
    ),
    _mistake(
        id="model.reversed-product",
        first_stage="prediction",
        what="The matrix product has its factors the wrong way round.",
        hint="Write the shapes under the two factors: which inner sizes have to be equal?",
        fix="Put the features first: `X @ w + b`.",
        tell="raises, unless the sizes happen to fit",
        forms=(
            _form("w @ X", lambda X, w, b: w @ X + b),
            _form("w.T @ X", lambda X, w, b: w.T @ X + b),
        ),
        where={"weight": (2.0, -3.4)},
    ),
    _mistake(
        id="model.wrong-shape",
        first_stage="prediction",
        what="The predictions are right but not a column (m, 1).",
        hint="Print the shape of your predictions beside that of the labels.",
        fix="Keep w a column of shape (d, 1), so that `X @ w + b` has shape (m, 1).",
        tell="the values agree after a reshape; a built-in loss would broadcast them",
        forms=(
            _form("a vector (m,)", lambda X, w, b: X @ w.reshape(-1) + b),
            _form("a row (1, m)", lambda X, w, b: w.T @ X.T + b),
        ),
    ),
    _mistake(
        id="model.activation",
        first_stage="prediction",
        what="A non-linear function is applied to the output of the linear model.",
        hint="Can your model predict a negative number, and one above 1?",
        fix="Return `X @ w + b` itself.",
        tell="negative or large predictions are bent or cut off",
        forms=(
            _activated(torch.relu, "relu"),
            _activated(torch.sigmoid, "sigmoid"),
            _activated(torch.tanh, "tanh"),
            _activated(torch.abs, "abs"),
            _activated(torch.exp, "exp"),
            _activated(torch.selu, "selu"),
            _activated(partial(torch.softmax, dim=1), "softmax over the outputs"),
            _activated(partial(torch.softmax, dim=0), "softmax over the batch"),
            _activated(partial(torch.clamp, min=0, max=1), "clamp to [0, 1]"),
            _activated(nn.functional.leaky_relu, "leaky relu"),
            _activated(nn.functional.elu, "elu"),
            _activated(nn.functional.softplus, "softplus"),
            _activated(nn.functional.silu, "silu"),
            _activated(nn.functional.gelu, "gelu"),
        ),
    ),
    _mistake(
        id="model.detached",
        first_stage="gradient",
        what="The prediction is right, but autograd cannot follow it back to every parameter.",
        hint="Print `w.grad` and `b.grad` after a backward pass.",
        fix="Compute with `w` and `b` themselves, without `.detach()`, `.data` or a new "
        "`torch.tensor(...)`.",
        tell="the prediction is right, the gradient of one or both parameters is missing",
        forms=(
            _form("the weight detached", lambda X, w, b: X @ w.detach() + b),
            _form("the bias detached", lambda X, w, b: X @ w + b.detach()),
            _form("the prediction detached", lambda X, w, b: (X @ w + b).detach()),
            _form(
                "a new tensor that requires gradients",
                lambda X, w, b: (X @ w + b).detach().requires_grad_(),
            ),
        ),
    ),
    _mistake(
        id="model.raises",
        first_stage="prediction",
        what="The model stops with an exception, or returns something else than a tensor.",
        hint="Read the last line of the message, then the line of your file it points to; try the "
        "model on a batch of two examples.",
        fix="Return `X @ w + b` for X of shape (m, d), w of shape (d, 1) and b of shape (1,).",
        tell="the exception and its message",
        forms=(
            _form("a name that is not defined", _undefined_name),
            _form("X.T @ w", lambda X, w, b: X.T @ w + b),
        ),
    ),
)
