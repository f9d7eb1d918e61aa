"""Mistakes in softmax regression: overflow, wrong axes, a softmax too many, wrong means.

A functional base predicts probabilities and has a loss per example; an object base predicts logits
and has their mean loss. What is the softmax of the one is in the loss of the other, so some
mistakes stand here twice: as the model's, which only a functional base can have, and as the loss's.
Features are (m, d), labels class numbers (m,) int64. Does not cover training: `loop` holds that.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

from harness.engine.components import LOSS, METRIC, MODEL
from harness.engine.recipe import Model, Recipe
from harness.mistakes.mistake import Form, Mistake

Predicts = Literal["probabilities", "logits"]
Net = Callable[[Tensor, Tensor, Tensor], Tensor]
_Wrong = Callable[[Tensor, Tensor], Tensor]


class _Net(nn.Module):
    """A model `net(X, W, b)` with W (d, q) and b (q,): leaves (q, d) and (q,), as nn.Linear's."""

    def __init__(self, net: Net, d: int, q: int) -> None:
        super().__init__()
        self.net = net
        self.weight = nn.Parameter(torch.normal(0.0, 0.01, (q, d)))
        self.bias = nn.Parameter(torch.zeros(q))

    def forward(self, X: Tensor) -> Tensor:
        """Features (m, d) -> predictions (m, q)."""
        return self.net(X, self.weight.T, self.bias)


def predicts(base: Recipe) -> Predicts:
    """What the predictions of a base are, told from its loss: per example, or already a mean."""
    return "probabilities" if base.convention.reduction == "none" else "logits"


def _model(name: str, net: Net, only: Predicts | None = None) -> Form:
    """A model `net(X, W, b)`; `only` says what a base has to predict to have it."""

    def make(base: Recipe) -> Recipe | None:
        def model(d: int, q: int) -> Model:
            return _Net(net, d, q)

        return replace(base, model=model) if only in {None, predicts(base)} else None

    return Form(name, make)


def _of_logits(name: str, logits: Net) -> Form:
    """A model with wrong logits: in a functional base it predicts their softmax."""

    def make(base: Recipe) -> Recipe | None:
        def net(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
            scores = logits(X, W, b)  # (m, q)
            return scores if predicts(base) == "logits" else torch.softmax(scores, dim=1)

        return _model(name, net).make(base)

    return Form(name, make)


def _activated(name: str, function: Callable[[Tensor], Tensor], only: Predicts) -> Form:
    return _model(name, lambda X, W, b: function(X @ W + b), only)


def _loss(name: str, wrong: _Wrong, only: Predicts) -> Form:
    """A loss `wrong(y_hat, y)`, reduced as it stands, for bases that predict just that."""

    def make(base: Recipe) -> Recipe | None:
        return replace(base, loss=wrong) if predicts(base) == only else None

    return Form(name, make)


def _reduced_as_base(name: str, wrong: _Wrong, read: Callable[[Tensor, Predicts], Tensor]) -> Form:
    """A loss of predictions as `read` gives them, per example; its mean in an object base."""

    def make(base: Recipe) -> Recipe:
        predicted = predicts(base)

        def loss(y_hat: Tensor, y: Tensor) -> Tensor:
            values = wrong(read(y_hat, predicted), y)  # (m,), or () of a mistaken sum
            return values.mean() if predicted == "logits" else values

        return replace(base, loss=loss)

    return Form(name, make)


def _logarithms(y_hat: Tensor, predicted: Predicts) -> Tensor:
    return F.log_softmax(y_hat, dim=1) if predicted == "logits" else y_hat.log()


def _shares(y_hat: Tensor, predicted: Predicts) -> Tensor:
    return torch.softmax(y_hat, dim=1) if predicted == "logits" else y_hat


_of_logarithms = partial(_reduced_as_base, read=_logarithms)
_of_probabilities = partial(_reduced_as_base, read=_shares)


def _accuracy(name: str, wrong: _Wrong) -> Form:
    """An accuracy `wrong(y_hat, y)`, for recipes that have one."""

    def make(base: Recipe) -> Recipe | None:
        return replace(base, metric=wrong) if base.metric else None

    return Form(name, make)


def _at_label(scores: Tensor, y: Tensor) -> Tensor:
    """Each row's entry at its label: (m, q), (m,) -> (m,)."""
    return scores.gather(1, y.unsqueeze(1)).squeeze(1)


def _one_hot(y: Tensor, like: Tensor) -> Tensor:
    """Rows of zeros with a 1 at the label, (m, q), of the dtype of `like`."""
    return F.one_hot(y, like.shape[1]).to(like.dtype)


def _over_sum(X_exp: Tensor, dim: int | tuple[int, int] = 1) -> Tensor:
    return X_exp / X_exp.sum(dim, keepdim=True)


def _exp_over_sum(X: Tensor) -> Tensor:
    return _over_sum(X.exp())


def _right_softmax(X: Tensor) -> Tensor:
    return _over_sum(torch.exp(X - X.amax(dim=1, keepdim=True)))


def _over_sum_of_column(X: Tensor) -> Tensor:
    return _over_sum(torch.exp(X - X.amax()), dim=0)


def _over_sum_of_all(X: Tensor) -> Tensor:
    return _over_sum(torch.exp(X - X.amax()), dim=(0, 1))


def _exp_less_log_of_sum(X: Tensor) -> Tensor:
    return torch.exp(X - X.exp().sum(dim=1, keepdim=True).log())


def _of_columns(y_hat: Tensor, y: Tensor) -> Tensor:
    return -_at_label(F.log_softmax(y_hat, dim=0), y).mean()


def _of_all_entries(y_hat: Tensor, y: Tensor) -> Tensor:
    return y_hat.flatten().logsumexp(dim=0) - _at_label(y_hat, y).mean()


def _log_of_exp_over_sum(y_hat: Tensor, y: Tensor) -> Tensor:
    return -_at_label(_exp_over_sum(y_hat).log(), y).mean()


def _log_of_sum_less_score(y_hat: Tensor, y: Tensor) -> Tensor:
    return (y_hat.exp().sum(dim=1).log() - _at_label(y_hat, y)).mean()


def _softmax_again(y_hat: Tensor, y: Tensor) -> Tensor:
    return -_at_label(torch.softmax(y_hat, dim=1).log(), y)


def _mean_over_classes(log_p: Tensor, y: Tensor) -> Tensor:
    return -(_one_hot(y, log_p) * log_p).mean(dim=1)


def _sum_over_one_hot(log_p: Tensor, y: Tensor) -> Tensor:
    return -(_one_hot(y, log_p) * log_p).sum()


def _log_plus(eps: float) -> Form:
    return _of_probabilities(f"log(p + {eps:g})", lambda p, y: -(_at_label(p, y) + eps).log())


def _log_clamped(p: Tensor, y: Tensor) -> Tensor:
    return -_at_label(p, y).clamp(min=1e-8).log()


def _squares(p: Tensor, y: Tensor) -> Tensor:
    return (p - _one_hot(y, p)) ** 2  # (m, q)


_in_model, _in_loss, _in_accuracy = (
    partial(Mistake, component=component, pair="softmax") for component in (MODEL, LOSS, METRIC)
)

MISTAKES = (
    _in_model(
        id="softmax.no-shift",
        first_stage="prediction",
        what="The softmax takes exp of the logits as they are, without first subtracting the "
        "largest of each row, so that large logits overflow.",
        hint="Ask your softmax for logits of 100, and for a row of equal logits of -200: what are "
        "exp(100) and exp(-200) in float32?",
        fix="Shift each row before the exp: `X - X.max(dim=1, keepdim=True).values`.",
        tell="right for small logits; from about 88 in float32 or 709 in float64 the probabilities "
        "are NaN or 0, and so they are where all of a row lie that far below 0",
        forms=(
            _activated("exp over its sum", _exp_over_sum, only="probabilities"),
            _activated("exp(x - log of the sum)", _exp_less_log_of_sum, only="probabilities"),
        ),
    ),
    _in_model(
        id="softmax.wrong-axis",
        first_stage="prediction",
        what="The softmax adds up over the examples of the batch, or over all entries, and not "
        "over the classes of each example.",
        hint="Which sums of your probabilities are 1: those of the rows or those of the columns?",
        fix="Add up along the classes: `sum(dim=1, keepdim=True)`, `softmax(X, dim=1)`.",
        tell="columns add up to 1, or all entries do, and rows do not; a batch of one gives ones",
        forms=(
            _activated("exp over the sum of its column", _over_sum_of_column, only="probabilities"),
            _activated("softmax over dim 0", partial(torch.softmax, dim=0), only="probabilities"),
            _activated("exp over the sum of all", _over_sum_of_all, only="probabilities"),
        ),
    ),
    _in_model(
        id="softmax.twice",
        first_stage="prediction",
        what="The model returns probabilities, and the loss takes them for logits and applies "
        "another softmax.",
        hint="What does the cross-entropy that you call expect, and what does the model hand it?",
        fix="Return the logits `X @ W + b`, and leave the softmax to the loss.",
        tell="predictions lie between 0 and 1; even a perfect one costs log(1 + (q - 1) / e)",
        forms=(
            _activated("softmax in the model", partial(torch.softmax, dim=1), only="logits"),
            _activated("exp over its sum in the model", _right_softmax, only="logits"),
        ),
    ),
    _in_model(
        id="softmax.no-bias",
        first_stage="prediction",
        what="The bias is not added to the logits.",
        hint="Change one entry of b by hand: does any probability change?",
        fix="Add the bias: `X @ W + b`.",
        tell="the prediction does not depend on b, and b gets no gradient or a zero one",
        forms=(
            _of_logits("left out", lambda X, W, _b: X @ W),
            _of_logits("multiplied by zero", lambda X, W, b: X @ W + 0 * b),
        ),
    ),
    _in_model(
        id="softmax.untransposed",
        first_stage="prediction",
        what="The weight is taken in the other layout: its numbers are poured into the wanted "
        "shape, or used as they lie where it is square, and not transposed.",
        hint="Follow one entry, the weight of feature 0 for class 1: where is it after your line?",
        fix="Swap the axes with `W.T`; a reshape keeps the order of the numbers.",
        tell="right where there is one feature or one class; else the entries of W are mixed up",
        forms=(
            _of_logits("reshaped", lambda X, W, b: X @ W.reshape(W.T.shape).T + b),
            _of_logits("taken as it lies", lambda X, W, b: X @ W.T + b),
        ),
    ),
    _in_loss(
        id="softmax.loss-no-shift",
        first_stage="loss",
        what="The loss takes exp of the logits as they are, without first subtracting the largest "
        "of each row, so that large logits overflow.",
        hint="Give your loss logits of 100 and of -200: what are exp(100) and exp(-200) in "
        "float32?",
        fix="Use log-sum-exp with the shift: `X = X - X.max(dim=1, keepdim=True).values` first.",
        tell="right for small logits; from about 88 in float32 or 709 in float64 the loss is NaN "
        "or infinite, and so it is where all of a row lie that far below 0",
        forms=(
            _loss("log of exp over its sum", _log_of_exp_over_sum, only="logits"),
            _loss("log of the sum of exp, less x", _log_of_sum_less_score, only="logits"),
        ),
    ),
    _in_loss(
        id="softmax.loss-wrong-axis",
        first_stage="loss",
        what="The loss normalises over the examples of the batch, or over all entries, and not "
        "over the classes of each example.",
        hint="Does the loss of an example change when another one in the batch does?",
        fix="Normalise along the classes: `log_softmax(X, dim=1)`.",
        tell="the loss of an example depends on the others; a batch of one costs 0",
        forms=(
            _loss("log-softmax over dim 0", _of_columns, only="logits"),
            _loss("log-sum-exp of all entries", _of_all_entries, only="logits"),
        ),
    ),
    _in_loss(
        id="softmax.loss-twice",
        first_stage="loss",
        what="The predictions are probabilities already, and the loss applies a softmax to them.",
        hint="What does your loss come to for a prediction that gives the label probability 1?",
        fix="Take the logarithm of the probabilities themselves: `-log(y_hat[i, y_i])`.",
        tell="the loss never comes near 0: a perfect prediction costs log(1 + (q - 1) / e)",
        forms=(
            _loss(
                "cross_entropy of probabilities",
                partial(F.cross_entropy, reduction="none"),
                only="probabilities",
            ),
            _loss("log of the softmax of probabilities", _softmax_again, only="probabilities"),
        ),
    ),
    _in_loss(
        id="softmax.mean-over-classes",
        first_stage="loss",
        what="The loss of an example is divided by the number of classes.",
        hint="One-hot labels have q entries for each example, all but one of them 0: by what "
        "should the sum of their products be divided?",
        fix="Add up over the classes and average over the examples only: `sum(dim=1)`, then "
        "`mean()`.",
        tell="the loss is too small by the number of classes, at every step",
        forms=(
            _of_logarithms("mean of one-hot times log", _mean_over_classes),
            _of_logarithms(
                "divided by the number of classes",
                lambda log_p, y: -_at_label(log_p, y) / log_p.shape[1],
            ),
        ),
    ),
    _in_loss(
        id="softmax.sum",
        first_stage="loss",
        what="The loss is the sum over the batch, where the loss of each example or its mean is "
        "asked.",
        hint="Does your loss grow when the same example stands in the batch twice?",
        fix="Return one loss for each example, or average them: `.mean()`.",
        tell="the loss is too large by the length of the batch, and one number",
        forms=(
            _of_logarithms("sum over the batch", lambda log_p, y: -_at_label(log_p, y).sum()),
            _of_logarithms("sum of one-hot times log", _sum_over_one_hot),
        ),
    ),
    _in_loss(
        id="softmax.log-eps",
        first_stage="loss",
        what="A small number is put in under the logarithm, so that it cannot become infinite.",
        hint="What does your loss come to for a label whose logit lies 100 below the others?",
        fix="Take the loss of the logits, by log-sum-exp, and leave the logarithm as it is.",
        tell="invisible in float32 until a probability is tiny; then the loss stops growing, at "
        "18.4 for 1e-8; in float64 it is off by the small number over the probability",
        forms=(
            *map(_log_plus, (1e-6, 1e-7, 1e-8, 1e-10, 1e-12)),
            _of_probabilities("log of p clamped at 1e-8", _log_clamped),
        ),
        where={"dtype": "float64"},
    ),
    _in_loss(
        id="softmax.squared-error",
        first_stage="loss",
        what="The loss is the squared distance of the probabilities from the one-hot label.",
        hint="What should it cost to give the label a probability of nearly 0, and what does it "
        "cost here?",
        fix="Take the logarithm of the label's probability: `-log(y_hat[i, y_i])`.",
        tell="the loss of an example is never above 2",
        forms=(
            _of_probabilities("sum of squares", lambda p, y: _squares(p, y).sum(dim=1)),
            _of_probabilities(
                "half the sum of squares", lambda p, y: _squares(p, y).sum(dim=1) / 2
            ),
            _of_probabilities("mean of squares", lambda p, y: _squares(p, y).mean(dim=1)),
        ),
    ),
    _in_loss(
        id="softmax.no-log",
        first_stage="loss",
        what="The loss is the label's probability with the sign turned, without its logarithm.",
        hint="What should it cost to give the label a probability of nearly 0?",
        fix="Take the logarithm: `-log(y_hat[i, y_i])`.",
        tell="the loss of an example lies between -1 and 0, or between 0 and 1",
        forms=(
            _of_probabilities("-p", lambda p, y: -_at_label(p, y)),
            _of_probabilities("1 - p", lambda p, y: 1 - _at_label(p, y)),
        ),
    ),
    _in_loss(
        id="softmax.sign",
        first_stage="loss",
        what="The minus in front of the logarithm is missing.",
        hint="Can your loss be above 0? Should it fall or rise as the prediction gets better?",
        fix="Turn the sign: `-log(y_hat[i, y_i])`.",
        tell="the loss is never above 0, and training drives it down without end",
        forms=(
            _of_logarithms("log of the label's probability", _at_label),
            _of_logarithms(
                "one-hot times log", lambda log_p, y: (_one_hot(y, log_p) * log_p).sum(dim=1)
            ),
        ),
    ),
    _in_accuracy(
        id="softmax.accuracy-axis",
        first_stage="evaluation",
        what="The largest entry is looked for among the examples, or among all entries, and not "
        "among the classes of each example.",
        hint="How many numbers should your argmax return for a batch of m examples?",
        fix="Look along the classes: `y_hat.argmax(dim=1)`.",
        tell="raises unless there are as many examples as classes; or the share of one class",
        forms=(
            _accuracy(
                "argmax over dim 0", lambda y_hat, y: (y_hat.argmax(dim=0) == y).float().mean()
            ),
            _accuracy("argmax of all", lambda y_hat, y: (y_hat.argmax() == y).float().mean()),
        ),
    ),
)
