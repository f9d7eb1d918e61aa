"""One stage judged: levels, the worst place, the first divergence, and its sentence."""

import math
import re
from typing import Any

import pytest
import torch

from harness.engine.expected import Expected
from harness.engine.stage import SEVERITY, Divergence, StageRecord, worst
from harness.engine.tolerance import allowance
from harness.engine.trace import Stack

PLACES = [(0, 0), (0, 1), (1, 0), (1, 1)]
GRAMMAR = r"loss\[epoch 0 step 3\] = 2\.41, but should be 1\.2 \(gap 1\.2e\+00, allowed 2\.0e-07\)"
NO_GAP = torch.zeros(4, 1, dtype=torch.float64)


def stack_of(places) -> Stack:
    """Return steps of which only the places are looked at."""
    empty = torch.empty(len(places), 0)
    names = ("X", "y", "prediction", "loss", "gradient", "gradient_before", "before", "after")
    columns: dict[str, Any] = dict.fromkeys(names, empty)
    return Stack(positions=list(range(len(places))), places=list(places), micros=(), **columns)


def expected(values) -> Expected:
    """Return what one number a step should be, its scale being its size."""
    column = torch.tensor(values, dtype=torch.float64).reshape(len(values), -1)
    return Expected(column, column.abs(), 1)


def judged(values, wanted=(1.0, 2.0, 3.0, 4.0), *, gap=NO_GAP, bits=False, **settings):
    """Return a record that was given four steps."""
    record = StageRecord("loss", torch.float32, **settings)
    column = torch.tensor(values, dtype=torch.float64).reshape(len(values), -1)
    record.add(stack_of(PLACES), column, expected(list(wanted)), gap, equal_bits=bits)
    return record


RIGHT = [1.0, 2.0, 3.0, 4.0]


def test_equal_bits_are_identical_and_equal_values_are_rounding():
    """It needs every bit to be called identical, in every stack."""
    assert judged(RIGHT, bits=True).level == "identical"
    assert judged(RIGHT).level == "rounding"
    both = judged(RIGHT, bits=True)
    both.add(stack_of(PLACES), expected(RIGHT).value, expected(RIGHT), NO_GAP, equal_bits=False)
    assert both.level == "rounding"
    assert both.steps == 8


def test_a_reconciled_stage_is_a_convention():
    """Unless it differs all the same."""
    assert judged(RIGHT, bits=True, reconciled=True).level == "convention"
    assert judged([1.0, 2.0, 3.0, 5.0], reconciled=True).level == "different"


def test_what_was_not_looked_at_is_inconclusive():
    """No step, or nothing but zeros; one number other than 0 is enough."""
    assert StageRecord("loss", torch.float32).level == "inconclusive"
    assert judged([0.0] * 4, [0.0] * 4, bits=True).level == "inconclusive"
    assert judged([0, 0, 1e-30, 0], [0, 0, 1e-30, 0], bits=True).level == "identical"


@pytest.mark.parametrize("k", range(4))
def test_the_first_step_outside_is_kept(k):
    """With its place and numbers; later ones do not replace it."""
    values = [v * (1.1 if at >= k else 1) for at, v in enumerate(RIGHT)]
    record = judged(values)
    first = record.first
    assert first is not None
    assert (first.epoch, first.step) == PLACES[k]
    assert (first.got, first.expected) == (values[k], RIGHT[k])
    assert first.gap == pytest.approx(RIGHT[k] * 0.1)
    assert record.level == "different"
    assert record.to_dict()["first_divergence"] == first.to_dict()


def test_just_inside_passes_and_just_outside_does_not():
    """The allowance is a border, for values of either sign."""
    floor = allowance(expected(RIGHT).scale, NO_GAP, torch.float32, 1)[:, 0].tolist()
    for sign in (1, -1):
        inside = [v + sign * 0.99 * a for v, a in zip(RIGHT, floor, strict=True)]
        outside = [v + sign * 1.01 * a for v, a in zip(RIGHT, floor, strict=True)]
        assert judged(inside).level == "rounding"
        assert judged(outside).level == "different"


def test_the_references_own_gap_is_granted():
    """By step: where the reference is off, the subject may be, and nowhere else."""
    gap = torch.tensor([[0.0], [2e-6], [0.0], [0.0]], dtype=torch.float64)
    assert judged([1.0, 2.000005, 3.0, 4.0], gap=gap).level == "rounding"
    assert judged([1.0, 2.000005, 3.0, 4.0]).level == "different"
    assert judged([1.000005, 2.0, 3.0, 4.0], gap=gap).level == "different"


def test_a_reference_that_is_far_off_is_no_measure():
    """What passes by the grace of a wrong reference was not judged; what fails is different."""
    gap = torch.tensor([[0.0], [0.1], [0.0], [0.0]], dtype=torch.float64)
    for values, level in ((RIGHT, "inconclusive"), ([1.3, 2.0, 3.0, 4.0], "different")):
        record = judged(values, gap=gap)
        record.measure(expected(RIGHT), gap)
        assert record.level == level
    record = judged(RIGHT)
    record.measure(expected(RIGHT), torch.zeros_like(gap))
    assert record.level == "rounding"


@pytest.mark.parametrize("strange", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_never_right(strange):
    """On the subject's side, or on both."""
    values = [1.0, strange, 3.0, 4.0]
    record = judged(values)
    assert record.level == "different"
    assert record.first is not None
    assert (record.first.epoch, record.first.step) == (0, 1)
    assert judged(values, values, bits=True).level == "different"


def test_the_entry_that_is_furthest_outside_is_shown():
    """Of several entries in a step."""
    record = StageRecord("gradient", torch.float32)
    wanted = torch.ones(4, 3, dtype=torch.float64)
    values = wanted.clone()
    values[2] = torch.tensor([1.0, 1.5, 1.2])
    record.add(stack_of(PLACES), values, Expected(wanted, wanted, 1), NO_GAP, equal_bits=False)
    assert record.first is not None
    assert record.first.got == 1.5


def test_the_worst_place_is_the_one_nearest_to_its_allowance():
    """Not the one with the largest gap: a small value may be further out."""
    small = [1.0 + 5e-7, 2.0, 3.0, 4000.0 + 1e-4]
    record = judged(small, [1.0, 2.0, 3.0, 4000.0])
    assert record.max_gap == pytest.approx(5e-7, rel=1e-3)
    assert record.allowed < 1e-6


def test_ulps_are_returned_for_each_step():
    """The largest gap and the allowance, in units of the last place."""
    record = StageRecord("loss", torch.float32)
    values = expected([1 + 2.0**-23, 2.0, 3.0, 4.0]).value
    gaps, allowed = record.add(stack_of(PLACES), values, expected(RIGHT), NO_GAP, equal_bits=False)
    torch.testing.assert_close(gaps[:2], torch.tensor([1.0, 0.0], dtype=torch.float64))
    assert allowed.min() > 1


def test_the_sentence_follows_the_grammar():
    """Got, expected, gap and allowance; or words where no number differs."""
    numbers = Divergence("loss", 0, 3, 2.41, 1.20, 1.21, 2e-7)
    assert re.fullmatch(GRAMMAR, numbers.message)
    words = Divergence("batch", 1, 2, text="has 9 rows, but should have 10")
    assert words.message == "batch[epoch 1 step 2] has 9 rows, but should have 10"
    assert words.to_dict()["got"] is None


def test_the_worst_level_decides():
    """In the order of severity; nothing at all is inconclusive."""
    for at, level in enumerate(SEVERITY):
        assert worst(SEVERITY[: at + 1]) == level
        assert worst([level]) == level
    assert worst([]) == "inconclusive"
    assert SEVERITY[0] == "identical"
    assert SEVERITY[-1] == "different"


def test_a_reference_is_sound_up_to_and_with_the_border():
    """Four times the floor is still explained; the next number is not."""
    right = expected(RIGHT)
    border = 4 * allowance(right.scale, NO_GAP, torch.float32, 1)
    for gap, sound in ((border, True), (torch.nextafter(border, border + 1), False)):
        record = StageRecord("loss", torch.float32)
        record.measure(right, gap)
        assert record.sound is sound


@pytest.mark.parametrize(
    ("got", "expected", "words"),
    [
        (2.41, 1.2, "= 2.41, but should be 1.2 ("),
        (0.98492412, 0.98492399, "= 0.98492412, but should be 0.98492399 ("),
        (1 / 3, 1 / 3 + 1e-16, "= 0.33333333333333331, but should be 0.33333333333333343 ("),
    ],
)
def test_numbers_that_differ_are_not_shown_alike(got, expected, words):
    """Six digits, and as many more as tell them apart."""
    divergence = Divergence("loss", 0, 0, got, expected, abs(got - expected), 1e-20)
    assert divergence.words.startswith(words)
