"""Constants of the diagnosis, held from both sides: a subject just inside, one just outside."""

import dataclasses
import math

import pytest
import torch

from harness.diagnosis.loop_rules import _initial
from harness.diagnosis.measure import Column, _common, _grows, _proportional
from harness.engine.components import (
    DATA_ITERATOR,
    INITIALISATION,
    Drawn,
    Question,
    Served,
    Signature,
)
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase

REFERENCE = BUILTIN["mse"]
INIT = INITIALISATION.questions(REFERENCE, "mse")[0]
COUNT = 10_000


def drawn(deviation=0.01, mean=0.0) -> Drawn:
    """Return weights of exactly this deviation and mean, biases of 0."""
    halves = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(COUNT // 2)
    exact = deviation * math.sqrt((COUNT - 1) / COUNT)
    d = INIT.case.d
    return Drawn(
        shapes=[(d, 1), (1,)],
        dtypes=["float32", "float32"],
        requires_grad=[True, True],
        is_leaf=[True, True],
        weights=mean + exact * halves.reshape(1, -1),
        biases=torch.zeros(1),
        gets_gradient=[True, True],
        raised=None,
    )


def initial_passes(**settings) -> bool:
    """Whether such weights are as they should be."""
    return INITIALISATION.judge(INIT, drawn(**settings), SCRATCH["mse"], REFERENCE).passed


@pytest.mark.parametrize("sign", [1, -1])
def test_initial_weights_lie_within_six_standard_errors_of_a_hundredth(sign):
    """Their deviation within 6 · 0.01 / √2n of 0.01, their mean within 6 · 0.01 / √n of 0."""
    of_deviation, of_mean = 0.06 / math.sqrt(2 * COUNT), 0.06 / math.sqrt(COUNT)
    assert initial_passes(deviation=0.01 + sign * 0.999 * of_deviation)
    assert not initial_passes(deviation=0.01 + sign * 1.001 * of_deviation)
    assert initial_passes(mean=sign * 0.999 * of_mean)
    assert not initial_passes(mean=sign * 1.001 * of_mean)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_loop_starts_again_with_weights_up_to_ten_deviations(sign):
    """And a bias of 0: so small are freshly drawn ones only."""
    given = torch.ones(2)
    assert _initial(torch.tensor([sign * 0.0999, 0.0]), given)
    assert not _initial(torch.tensor([sign * 0.1001, 0.0]), given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_replies_are_the_same_up_to_512_roundings(dtype):
    """Of the largest value of the step, on either side of it."""
    unit = torch.finfo(dtype).eps / 2

    def same(gap):
        mine, theirs = (
            Signature((), (torch.tensor([[0.0, size]], dtype=torch.float64),))
            for size in (1 - gap, 1.0)
        )
        return mine.matches(theirs, dtype) and theirs.matches(mine, dtype)

    assert same(511 * unit)
    assert not same(513 * unit)


def column(mine, right, rows=3) -> Column:
    """Return a column whose values are known exactly; each row is a call."""
    mine, right = (torch.tensor(values, dtype=torch.float64) for values in (mine, right))
    return Column(
        name="loss",
        rows=rows,
        mine=mine,
        right=right,
        rounding=torch.zeros(len(right), 1, dtype=torch.float64),
        negative=right < 0,
        calls=list(range(len(right))),
    )


@pytest.mark.parametrize("sign", [1, -1])
def test_values_are_near_within_a_ten_thousandth(sign):
    """Of the right value, beside rounding."""
    inside, outside = (2.0 * (1 + sign * by) for by in (0.999e-4, 1.001e-4))
    assert column([[inside, outside]], [[2.0, 2.0]]).off.tolist() == [[False, True]]


def test_numbers_are_one_number_within_a_ten_thousandth():
    """Of the first of them, whichever comes first."""
    assert _common([2.0, 2.0 + 1.999e-4]) == 2.0
    assert _common([2.0, 2.0 + 2.001e-4]) is None
    assert _common([2.0, 2.0 - 1.999e-4]) == 2.0
    assert _common([2.0, 2.0 - 2.001e-4]) is None


def test_a_sign_is_flipped_within_a_ten_thousandth():
    """Further from -1 it is a ratio."""
    assert list(_proportional([column([[-0.99991]], [[1.0]])])) == [
        "sign flipped",
        "constant offset -1.99991",
    ]
    assert next(_proportional([column([[-0.99989]], [[1.0]])])) == "ratio constant = -0.99989"


def test_a_ratio_grows_by_more_than_a_ten_thousandth_a_call():
    """At least three calls, every one of them by more."""
    right = [[1.0]] * 3
    for growth, grows in ((1.0001 + 1e-7, True), (1.0001 - 1e-7, False)):
        assert _grows([column([[growth**call] for call in range(3)], right)]) is grows


def unseeded(rows: int) -> Question:
    """Return a question to an iterator with a data set of so many rows."""
    case = LinearCase("pin", "few orders", num_examples=rows, batch_size=rows, epochs=1)
    return Question(DATA_ITERATOR, case, case.data())


@pytest.mark.parametrize(("rows", "called"), [(9, False), (10, True)])
def test_an_order_ignores_the_seed_where_chance_does_it_once_in_a_million(rows, called):
    """9! is below a million, 10! above it."""
    question = unseeded(rows)
    order = torch.arange(rows).roll(1)
    X, y = question.data.features, question.data.labels
    epochs = [[(X[order], y[order])]]
    served = Served(epochs, epochs, X, y, raised=None, endless=False)
    verdict = DATA_ITERATOR.judge(question, served, SCRATCH["mse"], REFERENCE)
    assert (not verdict.passed) is called
    assert ("whatever the generators' seed" in str(verdict.first)) is called
    other = dataclasses.replace(served, other=[[(X, y)]])
    assert DATA_ITERATOR.judge(question, other, SCRATCH["mse"], REFERENCE).passed
