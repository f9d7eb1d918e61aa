"""Every piece that a subject brings is looked at, or the result says that it was not."""

import dataclasses
import functools

import pytest
import torch
from torch import nn

from harness.engine.called import called, uncalled
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import compare
from harness.pairs.linear import BUILTIN, LINEAR, SCRATCH, LinearCase

R = dataclasses.replace
S, B = SCRATCH["mse"], BUILTIN["mse"]
SMALL = LinearCase("small", "six steps", num_examples=13, batch_size=5, epochs=2)
AGREES = ("identical", "rounding")
CLIPPED = R(SMALL, name="clipped", clip=1.0)
# one way to bring each piece that is right
RIGHT = {
    name: functools.partial(getattr(S, name))
    for name in ("batches", "init", "model", "loss", "optimizer", "clip", "loop")
}


def raises(*_arguments):
    """Whoever calls this piece is told."""
    raise RuntimeError("called")


def test_the_pairs_own_pieces_are_no_replacement():
    """Of either package, in any form and under any rule."""
    for sides in LINEAR.forms.values():
        for side in sides.both:
            assert LINEAR.replaced(side) == ()
            assert LINEAR.replaced(R(side, optimizer=side.optimizer_for(SMALL.optimizer))) == ()
    mixed = R(S, loss=B.loss, init=SCRATCH["functional"].init)
    assert LINEAR.replaced(mixed) == ()
    assert LINEAR.replaced(R(S, **RIGHT)) == tuple(RIGHT)


@pytest.mark.parametrize("forced_pass", [True, False])
def test_what_a_run_calls(forced_pass):
    """The pieces of a training; the clip where the case clips; fresh parameters never."""
    sides = R(S, **RIGHT), B
    plain = CaseComparison(SMALL, *sides, forced_pass=forced_pass).judge()
    assert called(plain) == set(RIGHT) - {"init", "clip"}
    clipped = CaseComparison(CLIPPED, *sides, forced_pass=forced_pass).judge()
    assert called(clipped) == set(RIGHT) - {"init"}
    assert uncalled([plain]) == ("init", "clip")
    assert uncalled([plain, clipped]) == ("init",)


@pytest.mark.parametrize("piece", ["init", "clip"])
def test_a_piece_that_is_never_called_is_no_pass(piece):
    """It is named; nothing else is amiss."""
    result = compare(R(S, **{piece: raises}), cases=[SMALL])
    assert (result.verdict, result.exit_status) == ("inconclusive", 3)
    assert result.reason == f"{piece} was given and never called"
    assert result.to_dict()["reason"] == result.reason
    assert compare(cases=[SMALL]).verdict == "identical"


def test_a_clip_that_raises_is_called_where_the_case_clips():
    """The trainers call the recipe's own."""
    assert compare(R(S, clip=raises), cases=[CLIPPED]).verdict == "error"
    assert compare(R(S, clip=RIGHT["clip"]), cases=[CLIPPED]).verdict == "identical"


# -- the reference against itself ----------------------------------------------


class Noisy(nn.Module):
    """A linear model that draws numbers of its own."""

    def __init__(self, d):
        super().__init__()
        self.linear = nn.Linear(d, 1)

    def forward(self, X):
        """Predict, a little off."""
        return self.linear(X) + 0.1 * torch.randn(len(X), 1, generator=_GENERATOR)


_GENERATOR = torch.Generator()


@pytest.mark.parametrize("subject", [S, R(B, model=Noisy)], ids=["own", "itself"])
def test_a_reference_that_is_no_measure_is_refused(subject):
    """With no number that should be."""
    result = compare(subject, R(B, model=Noisy), [SMALL])
    assert result.verdict == "inconclusive"
    assert result.reason
    assert "the reference does not agree with itself" in result.reason
    assert "should be" not in result.reason
    assert result.first_divergence is None
    assert result.to_dict()["cases"][0]["steps"] == 0


@pytest.mark.parametrize("loss", [nn.HuberLoss(), nn.L1Loss(), nn.SmoothL1Loss()], ids=str)
def test_a_reference_with_a_loss_of_its_own_is_a_measure(loss):
    """Itself agrees, the other loss differs."""
    reference = R(B, loss=loss)
    assert compare(reference, reference, [SMALL]).verdict in ("identical", "rounding")
    assert compare(S, reference, [SMALL]).verdict == "different"


# -- a loss is asked for its slope, whatever is handed to its backward pass ----


def squares(slope, *, each=False):
    """Return a loss that has this gradient by its predictions, given (residual, upstream)."""

    class Squares(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, y):
            ctx.save_for_backward(a - y)
            return (a - y) ** 2 if each else ((a - y) ** 2).mean()

        @staticmethod
        def backward(ctx, g):
            (residual,) = ctx.saved_tensors
            return slope(residual, g), None

    return lambda y_hat, y: Squares.apply(y_hat, y.reshape(y_hat.shape))


def test_a_backward_that_ignores_what_it_is_handed_differs():
    """The run itself hands it ones only; the forced pass other numbers."""
    wrong = squares(lambda r, _g: 2 * r / r.numel())
    right = squares(lambda r, g: g * 2 * r / r.numel())
    result = compare(R(S, loss=wrong), cases=[SMALL])
    assert result.verdict == "different"
    assert result.first_divergence
    assert result.first_divergence.stage == "gradient"
    assert compare(R(S, loss=right), cases=[SMALL]).verdict in ("identical", "rounding")


def test_a_backward_that_reads_only_the_first_of_what_it_is_handed_differs():
    """With a loss per example."""
    side = SCRATCH["functional"]
    case = R(SMALL, form="functional")
    wrong = squares(lambda r, g: g[0] * r, each=True)
    right = squares(lambda r, g: g * r, each=True)
    halves = {name: _half(loss) for name, loss in {"wrong": wrong, "right": right}.items()}
    result = compare(R(side, loss=halves["wrong"]), cases=[case])
    assert result.verdict == "different"
    assert result.first_divergence
    assert result.first_divergence.stage == "gradient"
    assert compare(R(side, loss=halves["right"]), cases=[case]).verdict in AGREES


def _half(loss):
    """½ squares by value; the slopes above have the ½ in them already."""

    class Half(torch.autograd.Function):
        @staticmethod
        def forward(_ctx, values):
            return values / 2

        @staticmethod
        def backward(_ctx, g):
            return g

    return lambda y_hat, y: Half.apply(loss(y_hat, y))


def test_a_loss_may_write_to_the_predictions_that_it_is_given():
    """Its value and its slope are right: what is recorded is what the model gave."""

    def in_place(y_hat, y):
        return y_hat.sub_(y.reshape(y_hat.shape)).square().mean()

    def off(y_hat, y):
        return 1.01 * in_place(y_hat, y)

    assert compare(R(S, loss=in_place), cases=[SMALL]).verdict in AGREES
    assert compare(R(S, loss=off), cases=[SMALL]).verdict == "different"


# -- references whose rules work by signs, or mix the entries ------------------


class Lion:
    """By the signs of an average (Chen and others 2023)."""

    def __init__(self, parameters, lr, beta=0.9):
        self.parameters, self.lr, self.beta = parameters, lr, beta
        self.means = [torch.zeros_like(p) for p in parameters]

    def step(self, _length):
        """Update every parameter."""
        with torch.no_grad():
            for p, mean in zip(self.parameters, self.means, strict=True):
                p -= self.lr * torch.sign(self.beta * mean + (1 - self.beta) * p.grad)
                mean.mul_(0.99).add_(p.grad, alpha=1 - 0.99)

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


class Lamb(Lion):
    """A step as long as the parameter: entries are not moved each by itself."""

    def step(self, _length):
        """Update every parameter."""
        with torch.no_grad():
            for p, mean in zip(self.parameters, self.means, strict=True):
                mean.mul_(self.beta).add_(p.grad, alpha=1 - self.beta)
                p -= self.lr * (1 + p.norm()) * mean / (mean.norm() + 1e-6)


@pytest.mark.parametrize("rule", [Lion, Lamb])
def test_a_rule_by_signs_or_of_whole_tensors_is_a_measure(rule):
    """The reference agrees with itself; another beta differs."""
    case = R(SMALL, num_examples=53, lr=0.01)
    reference = R(B, optimizer=rule)
    assert compare(R(S, optimizer=rule), reference, [case]).verdict in AGREES
    other = R(S, optimizer=lambda parameters, lr: rule(parameters, lr, beta=0.8))
    assert compare(other, reference, [case]).verdict == "different"
