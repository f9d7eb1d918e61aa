"""The oracle in bulk: what the reference gives in float64, one step after the other."""

import dataclasses

import pytest
import torch

from harness.case import Case
from harness.errors import InputError
from harness.lockstep import reference_lr
from harness.oracle import Expected, Oracle, joined
from harness.recipe import BUILTIN, SCRATCH
from harness.trace import Recorder, Stack

CASE = Case("made", "for a test", num_examples=23, batch_size=5, epochs=2, initial_std=1.0)
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
}
STAGES = ("prediction", "loss", "gradient", "parameter")


def expectations(case, dtype="float64"):
    """Train the builtin; return each stack of its steps with what the oracle expects of it."""
    case = dataclasses.replace(case, dtype=dtype)
    recipe = BUILTIN[case.form]
    found = []
    oracle = Oracle(recipe, case, case.data(), case.lr * recipe.convention.factor)

    def judge(chunk):
        for stack in chunk.stacks():
            found.append((stack, oracle.expect(stack, recipe.convention)))  # noqa: PERF401

    recorder = Recorder(64, judge, copy=True)
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
            assert expected.length >= 1


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
    recorder = Recorder(64, lambda chunk: kept.extend(chunk.stacks()))
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
    squares = (stack.prediction - stack.y) ** 2
    torch.testing.assert_close(rows, squares)
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
