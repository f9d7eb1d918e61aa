"""Forced steps against their standard: what is off, misshapen or raised never passes by itself."""

import dataclasses
import math
from typing import Any

import pytest
import torch

from harness.engine.components import LOSS, MODEL, OPTIMIZER
from harness.engine.forced import (
    STAGE_OF,
    Standard,
    by_stage,
    canonical,
    examine,
    fitting,
    usable,
)
from harness.engine.forced_run import _POWERS, COLUMNS, _weights
from harness.engine.oracle import Oracle
from harness.engine.raised import Raised
from harness.engine.recipe import PLAIN, Convention, Reading
from harness.engine.stage import StageRecord
from harness.pairs.linear import BUILTIN, SCRATCH

REFERENCE = BUILTIN["mse"]
STEPS = len(MODEL.questions(REFERENCE, "mse")[0].stacks[0][0])
RAISED = Raised("loss", 0, 0, "ValueError", "no")
PIECE_OF = {
    "prediction": MODEL,
    "gradient": MODEL,
    "loss": LOSS,
    "upstream": LOSS,
    "parameter": OPTIMIZER,
}


def examined(column, change=lambda got: got):
    """Return the records of scratch's forced steps, of which one column may be changed."""
    piece = PIECE_OF[column]
    question = piece.questions(REFERENCE, "mse")[0]
    case = question.case
    oracle = Oracle(REFERENCE, case, question.data, case.lr)
    stack, handed = question.stacks[0]
    expected = oracle.expect(stack, REFERENCE.convention, handed)
    bare = Standard(stack, expected, {}, {})
    got = piece.ask(SCRATCH["mse"], question).once[0]
    wanted = by_stage({column: getattr(got, column)}, bare, oracle)
    gaps = {stage: torch.zeros_like(value.value) for stage, (_, value) in wanted.items()}
    standard = dataclasses.replace(bare, gaps=gaps)
    records = {stage: StageRecord(stage, torch.float32) for stage in STAGE_OF.values()}
    examine(records, standard, change(got), oracle, REFERENCE.convention, (column,))
    return records[STAGE_OF[column]]


@pytest.mark.parametrize("column", COLUMNS)
def test_right_columns_agree(column):
    """Up to rounding, on all steps."""
    record = examined(column)
    assert record.level in ("identical", "rounding")
    assert record.steps == STEPS
    assert record.something


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_one_wrong_value_is_found(column, value):
    """NaN, infinity, or a thousandth more, in the last step."""

    def change(got):
        values = getattr(got, column).clone()
        values[-1, 0] = 1.001 * values[-1, 0] if value is None else value
        return dataclasses.replace(got, **{column: values})

    record = examined(column, change)
    assert record.level == "different"
    assert (record.first.epoch, record.first.step) == (0, STEPS - 1)


@pytest.mark.parametrize("column", COLUMNS)
def test_what_was_raised_is_an_error(column):
    """Nothing else is judged then."""
    raised = dataclasses.replace(RAISED, stage=STAGE_OF[column])
    record = examined(column, lambda got: dataclasses.replace(got, raised={column: raised}))
    assert (record.level, record.raised, record.steps) == ("error", raised, 0)


@pytest.mark.parametrize("column", COLUMNS)
def test_a_wrong_shape_is_a_divergence_in_words(column):
    """At the step where it was first seen."""
    record = examined(
        column, lambda got: dataclasses.replace(got, faults={column: (3, "has shape (1,)")})
    )
    assert record.level == "different"
    assert record.first.message == f"{STAGE_OF[column]}[epoch 0 step 3] has shape (1,)"


@pytest.mark.parametrize(("column", "before"), [("gradient", "prediction"), ("upstream", "loss")])
def test_a_slope_is_not_judged_behind_a_value_that_raised(column, before):
    """It was never computed; nothing was compared."""
    record = examined(column, lambda got: dataclasses.replace(got, raised={before: RAISED}))
    assert (record.level, record.steps) == ("inconclusive", 0)
    got = MODEL.ask(SCRATCH["mse"], MODEL.questions(REFERENCE, "mse")[0]).once[0]
    assert usable(got, column)
    assert not usable(dataclasses.replace(got, raised={before: RAISED}), column)


def test_gaps_are_fitted_to_the_columns():
    """The reference's own gradients, with room for the upstream ones behind them."""
    gap = torch.ones(2, 3)
    assert fitting(gap, torch.zeros(2, 3)) is gap
    assert fitting(gap, torch.zeros(2, 5)).tolist() == [[1, 1, 1, 0, 0]] * 2
    assert not fitting(gap, torch.zeros(2, 2)).any()


@pytest.mark.parametrize(
    ("convention", "of_loss", "of_gradient"),
    [
        (Convention(), 1.0, 1.0),
        (Convention(0.5), 0.5, 0.5),
        (Convention(0.5, reduction="none"), 0.5, 0.5 * 5),
        (Convention(2.0, reduction="sum"), 2.0 * 5, 2.0 * 5),
    ],
    ids=str,
)
def test_recorded_values_come_in_units_of_the_mean_of_the_pairs_own_loss(
    convention, of_loss, of_gradient
):
    """Losses and gradients are divided by what a side scales them by; the others stay."""
    stack, _ = LOSS.questions(REFERENCE, "mse")[0].stacks[0]
    assert stack.rows == 5
    loss = torch.arange(1.0, 1 + len(stack)).reshape(-1, 1)  # one number a step
    units = canonical(dataclasses.replace(stack, loss=loss), convention)
    torch.testing.assert_close(units["loss"], loss.double() / of_loss)
    torch.testing.assert_close(units["gradient"], stack.gradient.double() / of_gradient)
    assert torch.equal(units["prediction"], stack.prediction.double())
    assert torch.equal(units["parameter"], stack.after.double())


def test_a_backward_pass_is_handed_powers_of_two_of_either_sign():
    """Another one for each row and in each step, so that nothing is rounded by it."""
    assert all(math.log2(abs(power)).is_integer() for power in _POWERS)
    assert len(set(_POWERS)) == len(_POWERS) == 6
    assert {power > 0 for power in _POWERS} == {True, False}
    single = [float(_weights(k, torch.zeros(()), 4)) for k in range(7)]
    assert single[:6] == list(_POWERS)
    assert single[6] == single[0]
    for shape in ((8,), (8, 1), (8, 2)):
        weights = [_weights(k, torch.zeros(shape), 8) for k in range(6)]
        assert all(part.shape == shape for part in weights)
        lines = [part.reshape(8, -1) for part in weights]
        by_row = [line[:, 0].tolist() for line in lines]
        assert all(len(set(row[:6])) == 6 and row[6:] == row[:2] for row in by_row)
        assert len(set(map(tuple, by_row))) == 6
        assert all(torch.equal(line, line[:, :1].expand_as(line)) for line in lines)


@pytest.mark.parametrize(("piece", "change"), [(MODEL, "model"), (LOSS, "loss")], ids=str)
def test_what_a_side_predicts_is_read_as_the_pair_has_it(piece, change):
    """One that predicts twice as much is right where it is read so, values and slopes."""
    side = SCRATCH["mse"]

    def twice(d):
        made = side.model(d)
        w, b = made.parameters()
        made.forward = lambda X: 2 * (X @ w + b)  # type: ignore[method-assign]
        return made

    pieces: dict[str, Any] = {"model": twice, "loss": lambda y_hat, y: side.loss(y_hat / 2, y)}
    halved = Reading("halved", common=lambda values: values / 2, own=lambda values: 2 * values)
    subject = dataclasses.replace(side, **{change: pieces[change]})
    question = piece.questions(REFERENCE, "mse")[0]
    for reading, passed in ((halved, True), (PLAIN, False)):
        read = dataclasses.replace(subject, reading=reading)
        reply = piece.ask(read, question)
        assert piece.judge(question, reply, read, REFERENCE).passed is passed
