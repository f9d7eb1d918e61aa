"""The oracle in bulk: what the reference gives in float64, one step after the other."""

import copy
import dataclasses
from typing import Any

import pytest
import torch

from harness.engine import rounding
from harness.engine.case import UpdateRule
from harness.engine.case_comparison import CaseComparison
from harness.engine.expected import Expected, joined
from harness.engine.lockstep import reference_lr
from harness.engine.oracle import Oracle, _with_carried
from harness.engine.recorder import Recorder
from harness.engine.trace import Stack
from harness.errors import InputError
from harness.pairs.linear import BUILTIN, ROW_SHAPES, SCRATCH, LinearCase

CASE = LinearCase("made", "for a test", num_examples=23, batch_size=5, epochs=2, initial_std=1.0)
SETTINGS = {
    "mse with a tail": CASE,
    "five features": dataclasses.replace(CASE, weight=(1.0, 2.0, 3.0, 4.0, 5.0)),
    "micro-batches": dataclasses.replace(CASE, micro_batch_size=2),
    "clipped": dataclasses.replace(CASE, clip=1.0),
    "clipped half": dataclasses.replace(CASE, clip=1.0, form="object"),
    "clipped micro-batches": dataclasses.replace(CASE, clip=5.0, micro_batch_size=3),
    "uncleared": dataclasses.replace(CASE, clear_gradients=False, lr=0.001),
    "functional": dataclasses.replace(CASE, form="functional"),
    "object": dataclasses.replace(CASE, form="object"),
    "flat labels": dataclasses.replace(CASE, flat_labels=True),
    "large": dataclasses.replace(CASE, initial_std=1000.0),
    "single rows": dataclasses.replace(CASE, batch_size=1),
    "hidden": dataclasses.replace(CASE, hidden=4),
    "hidden, clipped": dataclasses.replace(CASE, hidden=3, clip=1.0, form="object"),
    "adam": dataclasses.replace(CASE, optimizer=UpdateRule.of("adam", weight_decay=0.1)),
    "adamw, half": dataclasses.replace(
        CASE, optimizer=UpdateRule.of("adamw"), form="object", hidden=2
    ),
    "momentum": dataclasses.replace(
        CASE, optimizer=UpdateRule.of("sgd", momentum=0.9, dampening=0.5)
    ),
    "weight decay": dataclasses.replace(CASE, optimizer=UpdateRule.of("sgd", weight_decay=0.5)),
    "adagrad uncleared": dataclasses.replace(
        CASE, optimizer=UpdateRule.of("adagrad"), clear_gradients=False
    ),
    "centered": dataclasses.replace(
        CASE, optimizer=UpdateRule.of("rmsprop", centered=True, momentum=0.5), micro_batch_size=2
    ),
    "adadelta": dataclasses.replace(CASE, optimizer=UpdateRule.of("adadelta")),
}
STAGES = ("prediction", "loss", "gradient", "parameter")


def expectations(case, dtype="float64", steps=4):
    """Train the builtin; return each stack of its steps with what the oracle expects of it.

    A chunk of `steps` is less than an epoch, and holds some of the short batches.
    """
    case = dataclasses.replace(case, dtype=dtype)
    recipe = BUILTIN[case.form]
    found = []
    oracle = Oracle(recipe, case, case.data(), case.lr * recipe.convention.factor)
    history = oracle.history()

    def judge(chunk):
        stacks = [copy.deepcopy(stack) for stack in chunk.stacks()]  # its buffers are used again
        for stack, updated in zip(stacks, history.follow(stacks, recipe.convention), strict=True):
            found.append((stack, oracle.expect(stack, recipe.convention, updated=updated)))

    recorder = Recorder(steps, judge, ROW_SHAPES, copy=True)
    recipe.build(case, case.data(), recorder).fit()
    recorder.close()
    return recipe, found


def recorded(stack: Stack, convention):
    """Return what a stack holds, in units of the mean squared error."""
    return {
        "prediction": stack.prediction,
        "loss": stack.loss / convention.factor,
        "gradient": stack.gradient / convention.gradient_factor(stack.rows),
        "parameter": stack.after,
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_the_oracle_equals_a_sequential_run(name):
    """The reference itself, run in float64 step by step, to 1e-12 of the scale at every stage."""
    case = SETTINGS[name]
    recipe, found = expectations(case)
    assert sum(len(stack) for stack, _ in found) == case.total_steps
    for stack, expectation in found:
        values = recorded(stack, recipe.convention)
        for stage in STAGES:
            expected: Expected = getattr(expectation, stage)
            assert expected.value.shape == values[stage].shape == expected.scale.shape, stage
            gap = (values[stage] - expected.value).abs()
            assert (gap <= 1e-12 * expected.scale).all(), (stage, gap.max())


@pytest.mark.parametrize("name", SETTINGS)
def test_the_oracle_notices_what_is_not_the_reference(name):
    """The control: any stage changed by 1e-9 is further off than that."""
    recipe, found = expectations(SETTINGS[name])
    for stack, expectation in found:
        for stage, values in recorded(stack, recipe.convention).items():
            expected = getattr(expectation, stage)
            off = values * (1 + 1e-6)
            assert ((off - expected.value).abs() > 1e-12 * expected.scale).any(), stage


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_scale_is_no_smaller_than_the_value(name, dtype):
    """Cancellation makes values smaller than their scale, never larger."""
    _, found = expectations(SETTINGS[name], dtype)
    for _, expectation in found:
        for stage in (*STAGES, "upstream", "fresh"):
            expected = getattr(expectation, stage)
            assert (expected.scale >= expected.value.abs() * (1 - 1e-12)).all(), stage
            assert expected.value.dtype == expected.scale.dtype == torch.float64
            assert expected.length > 0


def test_cancellation_does_not_shrink_the_scale():
    """Large weights against large features: the prediction is small, its scale is not."""
    case = dataclasses.replace(CASE, initial_std=1000.0)
    _, found = expectations(case)
    ratios = torch.cat(
        [(e.prediction.scale / e.prediction.value.abs()).reshape(-1) for _, e in found]
    )
    assert ratios.max() > 3


def test_every_step_starts_from_its_own_record():
    """A record that was tampered with in one step is expected differently in that step only."""
    case = dataclasses.replace(CASE, dtype="float64")
    recipe, oracle = BUILTIN["mse"], Oracle(BUILTIN["mse"], case, case.data(), case.lr)
    kept: list[Stack] = []
    recorder = Recorder(64, lambda chunk: kept.extend(chunk.stacks()), ROW_SHAPES)
    recipe.build(case, case.data(), recorder).fit()
    recorder.close()
    stack = kept[0]
    before = stack.before.clone()
    before[3] += 1
    plain = oracle.expect(stack, recipe.convention)
    changed = oracle.expect(dataclasses.replace(stack, before=before), recipe.convention)
    same = (plain.prediction.value == changed.prediction.value).all(1)
    assert same.tolist() == [k != 3 for k in range(len(stack))]
    assert torch.equal(plain.loss.value, changed.loss.value)


def test_a_loss_by_example_or_its_mean():
    """`loss_at` follows the width asked for: each row, or a mean for each micro-batch."""
    _, found = expectations(dataclasses.replace(CASE, micro_batch_size=2))
    case = dataclasses.replace(CASE, micro_batch_size=2, dtype="float64")
    oracle = Oracle(BUILTIN["mse"], case, case.data(), case.lr)
    stack, _ = found[0]
    rows, means = oracle.loss_at(stack, 5).value, oracle.loss_at(stack, 3).value
    squares = (stack.prediction - stack.y.flatten(1)) ** 2
    torch.testing.assert_close(rows, squares)
    for form in ("object", "functional"):  # in units of the mean squared error, whatever the side's
        halves = Oracle(BUILTIN[form], case, case.data(), case.lr)
        torch.testing.assert_close(halves.loss_at(stack, 5).value, squares)
    torch.testing.assert_close(
        means, torch.stack([part.mean(1) for part in squares.split((2, 2, 1), 1)], 1)
    )


def test_stages_are_joined_side_by_side():
    """Values and scales together, the longer sum decides."""
    one, two = torch.ones(3, 2), torch.zeros(3, 4)
    both = joined(Expected(one, one, 5), Expected(two, two, 9))
    assert both.value.shape == both.scale.shape == (3, 6)
    assert both.length == 9


def test_only_a_module_can_be_a_reference():
    """Scratch's model is none: refused in a sentence that says what to take instead."""
    data = CASE.data()
    Oracle(BUILTIN["mse"], CASE, data, 0.1)  # the control
    with pytest.raises(InputError, match=r"is no nn\.Module; take a built-in recipe"):
        Oracle(SCRATCH["mse"], CASE, data, 0.1)


def test_the_learning_rate_is_reconciled():
    """Its learning rate is the one that goes with the mean squared error."""
    assert reference_lr(SCRATCH["object"], BUILTIN["mse"], CASE) == CASE.lr / 2
    assert reference_lr(SCRATCH["mse"], BUILTIN["object"], CASE) == CASE.lr * 2
    assert reference_lr(SCRATCH["functional"], BUILTIN["object"], CASE) == CASE.lr


@pytest.mark.parametrize("name", ["adam", "momentum", "centered"])
def test_a_state_without_its_history_is_expected_wrongly(name):
    """The control: the very steps, each taken for the first, are far off but for the first."""
    recipe, found = expectations(SETTINGS[name])
    case = dataclasses.replace(SETTINGS[name], dtype="float64")
    oracle = Oracle(recipe, case, case.data(), case.lr)
    first, *_ = found[0][0].positions
    for stack, _ in found[1:]:
        alone = oracle.expect(stack, recipe.convention).parameter
        assert ((alone.value - stack.after).abs() > 1e-6 * alone.scale).any(1).all()
    alone = oracle.expect(found[0][0].only(first), recipe.convention).parameter
    torch.testing.assert_close(alone.value, found[0][0].only(first).after)


@pytest.mark.parametrize(
    ("rule", "keeps"),
    [
        (UpdateRule(), False),
        (UpdateRule.of("sgd", weight_decay=0.1), False),
        (UpdateRule.of("sgd", momentum=0.9), True),
        (UpdateRule.of("sgd", momentum=0.9, dampening=1.0), True),
        (UpdateRule.of("adagrad"), True),
        (UpdateRule.of("adagrad", lr_decay=0.1), True),
        (UpdateRule.of("rmsprop"), True),
        (UpdateRule.of("adadelta"), True),
        (UpdateRule.of("adam"), True),
        (UpdateRule.of("adamw"), True),
    ],
    ids=str,
)
def test_whether_an_optimizer_keeps_a_state_is_tried(rule, keeps):
    """Those that keep none are computed in bulk, and have no history to follow."""
    case = dataclasses.replace(CASE, optimizer=rule)
    oracle = Oracle(BUILTIN["mse"], case, case.data(), case.lr)
    assert oracle.updates.keeps_state is keeps
    _, found = expectations(case)
    (updated,) = oracle.history().follow([found[0][0]], BUILTIN["mse"].convention)
    assert (updated is not None) is keeps


def at_the_kink(case):
    """Return data whose first batch puts every example within rounding of one unit's kink."""
    data = case.data()
    W = data.initial[0].double()
    X = torch.randn(case.n, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    w = W[torch.arange(case.n) % len(W)]
    X[:, 2] = -(X[:, 0] * w[:, 0] + X[:, 1] * w[:, 1]) / w[:, 2]
    return dataclasses.replace(data, features=X.to(case.torch_dtype))


def summed_backwards(*widths):
    """Return the model by hand with the terms of each unit added from the last to the first."""
    made: Any = SCRATCH["mse"].model(*widths)
    W1, b1, W2, b2 = made.parameters()

    def forward(X):
        z = b1 + sum(X[:, i : i + 1] * W1[:, i] for i in reversed(range(X.shape[1])))
        return torch.where(z <= 0, 0, z) @ W2.T + b2

    made.forward = forward
    return made


@pytest.mark.parametrize("seed", range(5))
def test_either_side_of_a_kink_is_right(seed, monkeypatch):
    """Rounding decides which; without the allowance (control) there is no such verdict."""
    case = LinearCase(
        "kinks", "z is 0 but for rounding", num_examples=64, batch_size=64, epochs=1, seed=seed,
        weight=(1.0, 2.0, 3.0), hidden=3, initial_std=1.0,
    )  # fmt: skip
    data = at_the_kink(case)
    subject = dataclasses.replace(SCRATCH["mse"], name="backwards", model=summed_backwards)
    assert CaseComparison(case, subject, BUILTIN["mse"]).judge(data).verdict == "rounding"
    monkeypatch.setattr(rounding, "AMPLITUDE", 1e-5)
    found = CaseComparison(case, subject, BUILTIN["mse"]).judge(data).verdict
    assert found in ("different", "inconclusive")


WRONG_LAYERS = {
    "transposed": ("prediction", lambda X, W1, b1, W2, b2: (X @ W1 + b1).relu() @ W2.T + b2),
    "leaky": (
        "prediction",
        lambda X, W1, b1, W2, b2: torch.nn.functional.leaky_relu(X @ W1.T + b1) @ W2.T + b2,
    ),
    "one way through": (
        "gradient",
        lambda X, W1, b1, W2, b2: (
            (X @ W1.T + b1).relu() @ W2.T + b2 + 0.001 * (b1 - b1.detach())[0]
        ),
    ),
}


@pytest.mark.parametrize("name", WRONG_LAYERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_wrong_hidden_layer_is_different_where_it_is_wrong(name, dtype):
    """As wide as deep, so that shapes give nothing away; the right one (control) agrees."""
    stage, forward = WRONG_LAYERS[name]
    case = dataclasses.replace(CASE, weight=(1.0, 2.0, 3.0), hidden=3, dtype=dtype)

    def judged(forward):
        def model(*widths):
            made: Any = SCRATCH["mse"].model(*widths)
            leaves = made.parameters()
            made.forward = lambda X: forward(X, *leaves)
            return made

        subject = dataclasses.replace(SCRATCH["mse"], name=name, model=model)
        return CaseComparison(case, subject, BUILTIN["mse"]).judge()

    found = judged(forward).first_divergence
    assert found
    assert found.stage == stage
    right = judged(lambda X, W1, b1, W2, b2: (X @ W1.T + b1).relu() @ W2.T + b2)
    assert right.verdict in ("identical", "rounding")


@pytest.mark.parametrize("form", ["mse", "object", "functional"])
def test_the_loss_over_all_the_data_is_their_mean(form, monkeypatch):
    """In units of the mean squared error, however many rows are taken at once."""
    case = dataclasses.replace(CASE, form=form)
    data = case.data()
    oracle = Oracle(BUILTIN[form], case, data, case.lr)
    state = torch.tensor([0.5, -1.0, 2.0])
    wanted = data.mean_squared_error(state)
    assert oracle.loss_over(data, state) == pytest.approx(wanted, rel=1e-12)
    monkeypatch.setattr("harness.engine.case._ROWS", 7)
    assert oracle.loss_over(data, state) == pytest.approx(wanted, rel=1e-12)


def test_an_evaluation_expects_the_predictions_of_all_rows():
    """Beside their scale, and not the gradient."""
    data = CASE.data()
    oracle = Oracle(BUILTIN["mse"], CASE, data, CASE.lr)
    state = torch.tensor([0.5, -1.0, 2.0])
    expected = oracle.evaluated(state, data.features)
    wanted = data.features.double() @ state[:2].double() + 2
    torch.testing.assert_close(expected.value, wanted.reshape(1, -1))
    sizes = data.features.double().abs() @ state[:2].double().abs() + 2
    torch.testing.assert_close(expected.scale, sizes.reshape(1, -1))


def test_what_is_carried_is_judged_by_the_largest_that_is_carried():
    """Behind the parameters, each by its own size beside that; nothing changes without any."""
    after = Expected(torch.ones(2, 1), torch.full((2, 1), 9.0), 1)
    assert _with_carried(after, torch.empty(2, 0)) is after
    both = _with_carried(after, torch.tensor([[3.0, -4.0], [0.0, 1.0]]))
    assert both.value.tolist() == [[1, 3, -4], [1, 0, 1]]
    assert both.scale.tolist() == [[9, 7, 8], [9, 1, 2]]
