"""Every constant of the judge, held from both sides: a subject just inside, one just outside.

The figures stand here as numbers, so that a constant cannot be changed without a test saying so.
"""

import dataclasses
from typing import Any

import pytest
import torch

from harness.engine.case_comparison import CaseComparison
from harness.engine.expected import Expected
from harness.engine.stage import StageRecord
from harness.engine.trace import Stack
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase

UNIT = 2.0**-24  # the largest relative error of one rounding to float32
SUBNORMAL = 2.0**-150  # half the smallest number above 0 in float32


def one_step() -> Stack:
    """Return a step of which only the place is looked at."""
    empty = torch.empty(1, 0)
    names = ("X", "y", "prediction", "loss", "gradient", "gradient_before", "before", "after")
    columns: dict[str, Any] = dict.fromkeys(names, empty)
    return Stack(positions=[0], places=[(0, 0)], micros=(), **columns)


def number(value) -> torch.Tensor:
    """Return one step of one value."""
    return torch.tensor([[value]], dtype=torch.float64)


def passes(gap, *, scale, length, reference_gap=0.0) -> bool:
    """Whether a value that is so far from what it should be is within what is allowed."""
    record = StageRecord("loss", torch.float32)
    expected = Expected(number(0.0), number(scale), length)
    record.add(one_step(), number(gap), expected, number(reference_gap), equal_bits=False)
    return record.first is None


@pytest.mark.parametrize(
    ("units", "length"), [(6, 1), (8, 4), (24, 100), (204, 10_000)], ids=lambda n: f"{n}"
)
def test_four_roundings_and_two_for_the_root_of_the_length(units, length):
    """Relative to the scale: 4 + 2 √length."""
    for scale in (1.0, 1000.0):
        inside, outside = ((units + by) * UNIT * scale for by in (-0.01, 0.01))
        assert passes(inside, scale=scale, length=length)
        assert not passes(outside, scale=scale, length=length)


@pytest.mark.parametrize(("units", "length"), [(6, 1), (12, 4), (204, 100)])
def test_below_the_normal_numbers_roundings_add_up_one_for_one(units, length):
    """In steps of the smallest number: 4 + 2 length, whatever the scale."""
    assert passes((units - 0.01) * SUBNORMAL, scale=0.0, length=length)
    assert not passes((units + 0.01) * SUBNORMAL, scale=0.0, length=length)


def test_four_times_the_references_own_distance():
    """Beside which the floor of a scale of 0 is nothing."""
    for reference_gap in (1e-3, 1.0):
        assert passes(3.999 * reference_gap, scale=0.0, length=1, reference_gap=reference_gap)
        assert not passes(4.001 * reference_gap, scale=0.0, length=1, reference_gap=reference_gap)


@pytest.mark.parametrize(("units", "length"), [(24, 1), (96, 100)])
def test_a_reference_is_sound_up_to_four_times_the_floor(units, length):
    """Beyond that rounding does not explain its distance, and it is no measure."""
    for by, sound in ((-0.01, True), (0.01, False)):
        record = StageRecord("loss", torch.float32)
        expected = Expected(number(1.0), number(1.0), length)
        record.measure(expected, number((units + by) * UNIT))
        assert record.sound is sound


def orders_judged(rows: int, epochs: int) -> bool:
    """Whether rows in stored order are called so in a run of so many epochs."""
    case = LinearCase("pin", "few orders", num_examples=rows, batch_size=rows, epochs=epochs)
    subject = dataclasses.replace(SCRATCH["mse"], batches=lambda X, y, *_: [(X, y)])
    verdict = CaseComparison(case, subject, BUILTIN["mse"], forced_pass=False).judge().verdict
    assert verdict in ("identical", "rounding", "different")
    return verdict == "different"


@pytest.mark.parametrize(
    ("rows", "epochs", "judged"),
    [
        (9, 1, False),  # 362,880 orders, and 10⁶ times one pair of orders that may be equal
        (10, 1, True),  # 3,628,800 orders
        (10, 2, True),  # three pairs: of the two epochs, and of each with the stored order
        (10, 3, False),  # six pairs
        (11, 8, True),  # 39,916,800 orders, 36 pairs
        (11, 9, False),  # 45 pairs
    ],
)
def test_an_order_is_called_repeated_where_chance_does_it_once_in_a_million_runs(
    rows, epochs, judged
):
    """Runs, not pairs of epochs: the more epochs, the more pairs that may be equal by chance."""
    assert orders_judged(rows, epochs) is judged
