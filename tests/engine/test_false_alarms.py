"""Right pairs are never called different, whatever the settings: the judge's false alarms.

`inconclusive` is allowed only where nothing was compared: one step from zero, where every
prediction is 0, and labels that are all 0 to parameters that start there.
"""

import dataclasses
import math
from functools import partial
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.engine.case import OPTIMIZERS, UpdateRule
from harness.engine.case_comparison import CaseComparison
from harness.engine.comparison import compare
from harness.engine.pieces import ObjectSGD
from harness.engine.recipe import Recipe
from harness.pairs.linear import SCRATCH, Form, LinearCase

FORMS: tuple[Form, ...] = ("functional", "object", "mse")
AGREES = ("identical", "rounding", "convention")


@st.composite
def cases(draw, dtypes=("float32", "float64")) -> LinearCase:
    """Return any case that both packages have to train alike."""
    form: Form = draw(st.sampled_from(FORMS))
    against: Form | None = draw(st.sampled_from((None, *FORMS)))
    trainer = form != "functional" and against != "functional"
    same = against in (None, form)
    weight = draw(st.lists(st.floats(-5, 5, width=16), min_size=1, max_size=8))
    return LinearCase(
        "any",
        "drawn by hypothesis",
        form=form,
        against=against,
        num_examples=draw(st.integers(1, 300)),
        weight=tuple(weight),
        bias=draw(st.floats(-5, 5, width=16)),
        noise=draw(st.sampled_from((0.0, 0.01, 1.0))),
        batch_size=draw(st.integers(1, 350)),
        lr=math.exp(draw(st.floats(math.log(1e-4), math.log(0.3)))),
        epochs=draw(st.integers(1, 3)),
        seed=draw(st.integers(0, 2**31)),
        initial_std=draw(st.sampled_from((0.0, 0.01, 1.0, 100.0))),
        dtype=draw(st.sampled_from(dtypes)),
        micro_batch_size=draw(st.none() | st.integers(1, 40)) if trainer else None,
        clip=draw(st.sampled_from((0.0, 0.0, 0.1, 1.0, 10.0))) if trainer and same else 0.0,
        clear_gradients=draw(st.sampled_from((True, True, True, False))) if trainer else True,
        flat_labels=draw(st.booleans()),
        strided_features=draw(st.booleans()),
        one_pass_iterator=draw(st.sampled_from((False, False, True))),
        collinear=len(weight) > 1 and draw(st.booleans()),
    )


UNIT = st.floats(0.0, 0.99)
DECAY = st.sampled_from((0.0, 0.0, 0.01, 0.5))
EPS = st.sampled_from((1e-10, 1e-8, 1e-6, 1e-3))


@st.composite
def rules(draw) -> UpdateRule:
    """Return any optimizer of the family with any settings it takes."""
    name = draw(st.sampled_from(("sgd", "adagrad", "rmsprop", "adadelta", "adam", "adamw")))
    settings = {"weight_decay": draw(DECAY)}
    if name == "sgd":
        nesterov = draw(st.booleans())
        momentum = draw(UNIT) + 0.001 * nesterov
        dampening = 0.0 if nesterov else draw(st.sampled_from((0.0, 0.5)))
        settings |= {"momentum": momentum, "dampening": dampening, "nesterov": nesterov}
    else:
        settings["eps"] = draw(EPS)
    if name == "adagrad":
        settings |= {"lr_decay": draw(DECAY)}
    if name == "rmsprop":
        settings |= {"alpha": draw(UNIT), "momentum": draw(st.sampled_from((0.0, 0.5, 0.9)))}
    if name == "adadelta":
        settings |= {"rho": draw(UNIT)}
    if name in ("adam", "adamw"):
        return UpdateRule.of(name, betas=(draw(UNIT), draw(UNIT)), **settings)
    return UpdateRule.of(name, **settings)


@st.composite
def stateful_cases(draw) -> LinearCase:
    """Return any case of a trainer, with any optimizer, and with or without a hidden layer."""
    case: LinearCase = draw(cases().filter(lambda case: case.form != "functional"))
    return dataclasses.replace(
        case,
        against=None,
        optimizer=draw(rules()),
        hidden=draw(st.sampled_from((0, 0, 1, 3, 8))),
        initial_std=min(case.initial_std, 1.0),
    )


class Rebinding:
    """SGD that rebinds the storage of each parameter, rounding twice."""

    def __init__(self, parameters, lr, *, divides):
        self.parameters, self.lr, self.divides = parameters, lr, divides

    def step(self, length):
        """Update; divide by the length where the gradient is a sum."""
        for p in self.parameters:
            p.data = p.data - self.lr * p.grad / (length if self.divides else 1)

    def zero_grad(self):
        """Forget the gradients."""
        for p in self.parameters:
            p.grad = None


def written_differently(form: Form) -> Recipe:
    """Return the scratch recipe with other operations in every piece, and another order."""

    def model(d):
        made = SCRATCH[form].model(d)
        w, b = made.parameters()
        made.forward = lambda X: (X * w.reshape(-1)).sum(1, keepdim=True) + b  # type: ignore[method-assign]
        return made

    def loss(y_hat, y):
        squares = (y.reshape(y_hat.shape) - y_hat).pow(2)
        if form == "functional":
            return 0.5 * squares
        return squares.sum() / len(y_hat) / (2 if form == "object" else 1)

    def optimizer(parameters, lr):
        return Rebinding(parameters, lr, divides=form == "functional")

    def batches(features, labels, size, _generator):
        def epoch():
            order = torch.randperm(len(features))
            yield from zip(features[order].split(size), labels[order].split(size), strict=True)

        return Restarted(epoch)

    return dataclasses.replace(
        SCRATCH[form], name="other", model=model, loss=loss, optimizer=optimizer, batches=batches
    )


class Restarted:
    """Something to iterate again and again."""

    def __init__(self, start):
        self.start = start

    def __iter__(self):
        return self.start()


def hold(case: LinearCase, subject: Recipe | None = None) -> CaseComparison:
    """Judge a right pair; fail where it is not found right."""
    result = compare(subject, None, [case]).cases[0]
    if result.verdict == "inconclusive":
        assert case.initial_std == 0, result.why
        if result.data.labels.any():
            idle = {
                name for name, stage in result.stages.items() if stage["level"] == result.verdict
            }
            assert (result.steps, idle) == (1, {"prediction"}), result.why
    else:
        assert result.verdict in AGREES, (result.why, case)
    return result


FEW = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
MANY = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@FEW
@given(cases())
def test_scratch_is_never_called_different(case):
    """The pair that is compared by default, on whatever case."""
    hold(case)


@FEW
@given(cases())
def test_another_way_to_write_it_is_never_called_different(case):
    """Other operations in every piece, and rows in another order."""
    hold(case, written_differently(case.form))


def other_terms(*widths):
    """Return the model by hand with the terms of each unit multiplied out and summed."""
    made: Any = SCRATCH["mse"].model(*widths)
    leaves = list(made.parameters())

    def forward(X):
        for weight, bias in zip(leaves[::2], leaves[1::2], strict=True):
            matrix = weight.reshape(bias.numel(), -1)
            X = (X[:, None, :] * matrix).sum(2) + bias
            X = X.clamp(min=0) if weight is not leaves[-2] else X
        return X

    made.forward = forward
    return made


def fused(rule: UpdateRule):
    """Return torch's own kernels for all parameters at once, which round in other places."""
    made = getattr(torch.optim, OPTIMIZERS[rule.name])
    how = "foreach" if rule.name in ("rmsprop", "adadelta") else "fused"
    return partial(ObjectSGD, partial(made, **dict(rule.settings), **{how: True}))


def holds_with_a_state(case):
    """Judge the scratch side, one with another model, and one with other kernels to update.

    A single unit that is off predicts 0, and a single step of it is no evidence.
    """
    model = dataclasses.replace(SCRATCH[case.form], name="other", model=other_terms)
    kernels = dataclasses.replace(
        SCRATCH[case.form], name="kernels", optimizer=fused(case.optimizer)
    )
    for side in (None, model, kernels):
        result = compare(side, None, [case]).cases[0]
        assert result.verdict in (*AGREES, "inconclusive"), (result.why, case)
        if result.verdict == "inconclusive":
            assert str(result.why).endswith("every value is 0 on both sides"), (result.why, case)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
@given(stateful_cases())
def test_no_optimizer_and_no_hidden_layer_is_called_different(case):
    """Whatever is trained, by whatever rule."""
    holds_with_a_state(case)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(stateful_cases())
def test_no_optimizer_and_no_hidden_layer_is_called_different_at_length(case):
    """The same as the quick one, with more cases."""
    holds_with_a_state(case)


@pytest.mark.slow
@MANY
@given(cases())
def test_scratch_is_never_called_different_at_length(case):
    """The same as the quick one, with more cases."""
    hold(case)


@pytest.mark.slow
@MANY
@given(cases())
def test_another_way_to_write_it_is_never_called_different_at_length(case):
    """The same as the quick one, with more cases."""
    hold(case, written_differently(case.form))


STEPS = 500
LONG = [
    LinearCase("lr .03", "500 steps", num_examples=1000, epochs=5),
    LinearCase("lr .3", "500 steps, quick", num_examples=1000, epochs=5, lr=0.3),
    LinearCase("lr .9", "500 steps, nearly unstable", num_examples=1000, epochs=5, lr=0.9),
    LinearCase(
        "no noise", "500 steps, down to rounding", num_examples=1000, epochs=5, noise=0.0, lr=0.1
    ),
    LinearCase(
        "single rows", "500 steps of one row", num_examples=250, epochs=2, batch_size=1, lr=0.01
    ),
    LinearCase(
        "eight features", "500 steps", weight=tuple(range(1, 9)), num_examples=1000, epochs=5
    ),
    LinearCase("double", "500 steps", num_examples=1000, epochs=5, dtype="float64", lr=0.1),
    LinearCase("sums", "500 steps", form="functional", against="mse", num_examples=1000, epochs=5),
    LinearCase("half", "500 steps", form="object", against="mse", num_examples=1000, epochs=5),
    LinearCase("bfloat16", "500 steps", dtype="bfloat16", num_examples=1000, epochs=5),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", LONG, ids=lambda case: case.name)
def test_500_steps_are_forced_without_an_alarm(case):
    """Rounding that fed back is not blamed on any stage."""
    result = hold(case, written_differently(case.form))
    assert result.steps == STEPS
    assert all(record.steps == STEPS for record in result.runs["forced"].values())


def test_clipping_half_the_gradient_is_never_called_anything_but_right():
    """The norm that is clipped is that of the gradient as the trainer finds it."""
    case = LinearCase("clipped", "object form", form="object", num_examples=50, clip=1.0)
    assert hold(dataclasses.replace(case, form="mse")).verdict == "identical"
    assert compare(cases=[case]).verdict == "identical"


@pytest.mark.parametrize("factor", [1.001, 0.999])
def test_the_alarm_goes_off(factor):
    """The control: the same pair with a loss that is off by a thousandth is called different."""
    case = LONG[0]
    right = written_differently("mse")

    def loss(y_hat, y):
        return right.loss(y_hat, y) * factor

    assert compare(dataclasses.replace(right, loss=loss), None, [case]).verdict == "different"
    assert hold(case, right).verdict == "rounding"


def test_a_gradient_that_cancels_on_one_side_is_judged():
    """A bias whose gradient is exactly 0 by rounding on one side, and nearly 0 on the other."""
    case = LinearCase(
        "cancels", "bfloat16", form="object", num_examples=200, batch_size=200, epochs=1,
        weight=(-0.425, 0.2125, -0.1796875, -0.15, 0.4109375, -0.15, 0.059375), bias=0.059375,
        noise=1.0, seed=4901, dtype="bfloat16", micro_batch_size=1, collinear=True,
    )  # fmt: skip
    assert hold(case).verdict == "identical"
    assert hold(case, written_differently("object")).verdict == "rounding"


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@MANY
@given(st.data())
def test_low_precision_is_never_called_different(dtype, data):
    """Small numbers only: a sum that overflows where a mean does not is a real difference.

    From zero, an update so small that it underflows moves nothing: nothing was compared then. The
    learning rate over the batch length stays above the smallest normal number of float16: below it
    torch rounds the rate itself, which is rightly inconclusive.
    """
    case = data.draw(cases(dtypes=(dtype,)))
    case = dataclasses.replace(
        case,
        weight=tuple(w / 10 for w in case.weight),
        bias=case.bias / 10,
        initial_std=min(case.initial_std, 0.01),
        lr=min(max(case.lr, 1e-4 * case.batch_size), 0.03),
        clear_gradients=True,
    )
    result = compare(written_differently(case.form), None, [case]).cases[0]
    if result.verdict != "inconclusive" or result.final["builtin"]["w"] != [0.0] * case.d:
        hold(case, written_differently(case.form))


@pytest.mark.parametrize("seed", range(6))
def test_an_overflow_that_rounding_moved_is_no_difference(seed):
    """Drift in a diverging run may bring the overflow a step earlier on one side."""
    case = LinearCase("diverges", "bfloat16", dtype="bfloat16", lr=3.0, seed=seed)
    right = written_differently("mse")
    subject = dataclasses.replace(SCRATCH["mse"], name="other", model=right.model)
    assert compare(subject, None, [case]).verdict in AGREES
