"""Numbers said of a fault: each sentence with a fault it holds for and one it does not."""

import dataclasses
import math

import pytest
import torch

from harness.diagnosis.measure import Column, columns, measured, ratios
from harness.engine.components import COMPONENTS, LOSS, MODEL, OPTIMIZER, ForcedReply
from harness.pairs.linear import BUILTIN, SCRATCH

MSE = SCRATCH["mse"]
RIGHT = [[1.0, -2.0, 3.0], [4.0, 5.0, -6.0]]


def column(mine, right=RIGHT, rounding=1e-6):
    """Return a column of made-up values."""
    right = torch.tensor(right)
    return Column(
        "loss", 3, torch.as_tensor(mine), right, torch.full((len(right), 1), rounding),
        right < 0, list(range(len(right))),
    )  # fmt: skip


def test_off_is_beyond_rounding():
    """By entry; NaN and infinity always are."""
    mine = torch.tensor(RIGHT)
    mine[0] = torch.tensor([1.0 + 1e-6, -2.1, math.nan])
    mine[1, 0] = math.inf
    assert column(mine).off.tolist() == [[False, True, True], [True, False, False]]


@pytest.mark.parametrize("factor", [2.0, -1.0, 0.37, 0.0])
def test_a_ratio_is_one_number(factor):
    """For all values, or there is none: also where only a small value is off."""
    right = torch.tensor(RIGHT)
    assert column(factor * right).ratio == pytest.approx(factor)
    other = factor * right
    other[1, 1] += 0.1
    assert column(other).ratio is None


@pytest.mark.parametrize(
    ("mine", "right"),
    [
        ([[math.nan] * 3] * 2, RIGHT),
        ([[math.inf] * 3] * 2, RIGHT),
        (RIGHT, [[0.0] * 3] * 2),
        ([[0.0] * 3] * 2, [[0.0] * 3] * 2),
    ],
)
def test_there_is_no_ratio_of_nothing(mine, right):
    """NaN, infinity, and what is all zero."""
    assert column(mine, right).ratio is None


def test_small_values_count_as_well():
    """A large value in the same column does not hide them."""
    mine = [[2e6, 2.0, 3.0], [2.0, 2.0, 2.0]]
    assert column(mine, [[1e6, 1.0, 1.0], [1.0, 1.0, 1.0]]).ratio is None
    mine[0][2] = 2.0
    assert column(mine, [[1e6, 1.0, 1.0], [1.0, 1.0, 1.0]]).ratio == 2


def test_what_is_right_at_0_is_left_out_of_the_ratio():
    """0 times any number is 0; but what should be 0 has to be."""
    assert column([[0.0, 4.0]], [[0.0, 2.0]], rounding=0.0).ratio == 2
    assert column([[0.5, 4.0]], [[0.0, 2.0]], rounding=0.0).ratio is None


def test_an_offset_is_one_number_other_than_0():
    """For all values."""
    right = torch.tensor(RIGHT)
    assert column(right + 0.5).offset == pytest.approx(0.5)
    assert column(right).offset is None
    assert column(2 * right).offset is None


def replies(component, **pieces):
    """Return the replies of scratch with a piece replaced."""
    subject = dataclasses.replace(MSE, **pieces)
    return [(q, component.ask(subject, q)) for q in component.questions(BUILTIN["mse"], "mse")]


def said(loss):
    """Return what is said of a loss."""
    return list(measured(LOSS, replies(LOSS, loss=loss), BUILTIN["mse"]))


@pytest.mark.parametrize("component", COMPONENTS, ids=str)
def test_nothing_is_said_of_what_is_right(component):
    """In every component."""
    assert list(measured(component, replies(component), BUILTIN["mse"])) == []


def test_ratios_are_by_rows_where_they_depend_on_them():
    """A sum for a mean; a sum of some lengths only has no ratio that holds."""
    by_rows = said(lambda y_hat, y: MSE.loss(y_hat, y) * len(y_hat))
    assert "loss: ratio 3 at 3 rows, 5 at 5 rows where it differs" in by_rows
    assert "loss: only batches of 3 and 5 rows differ" in by_rows
    calls = 0

    def changing(y_hat, y):
        nonlocal calls
        calls += 1
        return MSE.loss(y_hat, y) * (2 + (calls // 22) % 2)

    assert not any("ratio" in sentence for sentence in said(changing))


def test_what_is_right_for_some_questions_is_not_said_of_all():
    """A ratio that holds only for plain vectors of labels."""
    flat = said(lambda y_hat, y: MSE.loss(y_hat, y) * (3 if y.ndim == 1 else 1))
    assert "loss: ratio constant = 3 where it differs" in flat
    assert "loss: ratio constant = 3" in said(lambda y_hat, y: MSE.loss(y_hat, y) * 3)


@pytest.mark.parametrize(
    "loss",
    [
        lambda y_hat, y: y_hat.sum() * math.nan,
        lambda y_hat, y: (y_hat - y.T) ** 2,
        lambda y_hat, y: 1 // 0,
    ],
)
def test_nothing_is_said_of_nan_of_other_shapes_and_of_exceptions(loss):
    """There are no values that a sentence could hold for."""
    assert [s for s in said(loss) if "ratio" in s or "offset" in s] == []


def test_a_column_stands_beside_the_right_one():
    """By stack, with its rows; columns that raised or have a wrong shape are left out."""
    question, reply = replies(MODEL)[0]
    found = list(columns(MODEL, question, reply, BUILTIN["mse"]))
    assert [(c.name, c.rows) for c in found] == [
        (name, rows) for rows in (5, 3, 1) for name in ("prediction", "gradient")
    ]
    assert not any(bool(c.off.any()) for c in found)
    broken, raised = replies(MODEL, model=Raising)[0]
    assert list(columns(MODEL, broken, raised, BUILTIN["mse"])) == []


class Raising(torch.nn.Linear):
    """A model that raises."""

    def __init__(self, d):
        super().__init__(d, 1)

    def forward(self, X):
        """Raise."""
        raise ValueError


def test_changes_are_measured_for_an_update():
    """Not the parameters, beside which any change is small."""
    question, reply = replies(OPTIMIZER)[0]
    twice = [
        type(got)(**{**vars(got), "parameter": 2 * got.parameter - stack.before})
        for (stack, _), got in zip(question.stacks, reply.once, strict=True)
    ]
    found = ForcedReply(twice, tuple(twice))
    assert {ratio for _, ratio in ratios(OPTIMIZER, question, found, BUILTIN["mse"])} != {None}
    assert list(measured(OPTIMIZER, [(question, found)], BUILTIN["mse"])) == [
        "update: ratio constant = 2"
    ]
