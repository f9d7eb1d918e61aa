"""The tolerance: one more rounding passes, a hundred times as much does not."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.engine.tolerance import (
    BASE,
    GROWTH,
    MULTIPLE,
    allowance,
    in_ulps,
    rounding_units,
    unit_roundoff,
)

DTYPES = [torch.float64, torch.float32, torch.bfloat16, torch.float16]
NO_GAP = torch.zeros(1, 1, dtype=torch.float64)


def one_step(values):
    """Return values as one step, in float64."""
    return torch.tensor([values], dtype=torch.float64)


def test_unit_roundoff_is_half_an_epsilon():
    """The table of dtypes."""
    table = [2.0**-53, 2.0**-24, 2.0**-8, 2.0**-11]
    assert [unit_roundoff(dtype) for dtype in DTYPES] == table


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@given(value=st.floats(0.001, 1000.0), length=st.integers(1, 1000))
def test_one_rounding_passes_and_a_hundredfold_does_not(dtype, value, length):
    """Around a value of the size of its scale, whatever the length."""
    allowed = float(allowance(one_step([value]), NO_GAP, dtype, length))
    rounded = float(torch.tensor(value, dtype=torch.float64).to(dtype).double())
    assert abs(rounded - value) <= allowed
    assert 100 * allowed >= unit_roundoff(dtype) * value * 100 * BASE
    assert not abs((value + 100 * allowed) - value) <= allowed


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@given(data=st.data(), length=st.integers(2, 300))
def test_a_sum_in_any_order_passes(dtype, data, length):
    """Terms added up from either end are within the floor of the exact sum, relative to |terms|."""
    seed = data.draw(st.integers(0, 2**31))
    terms = torch.randn(length, generator=torch.Generator().manual_seed(seed)).to(dtype)
    exact, size = terms.double().sum(), terms.double().abs().sum()
    allowed = float(allowance(size.reshape(1, 1), NO_GAP, dtype, length))
    for ordered in (terms, terms.flip(0)):
        total = torch.zeros((), dtype=torch.float32 if dtype == torch.bfloat16 else dtype)
        for term in ordered:
            total = total + term
        assert abs(float(total.to(dtype)) - float(exact)) <= allowed
    assert abs(float(exact) + float(size) * 0.5 - float(exact)) > allowed  # the control


def test_the_floor_grows_with_the_root_of_the_length():
    """BASE + GROWTH √length, and proportional to the scale."""
    assert rounding_units(1) == BASE + GROWTH
    assert rounding_units(100) == BASE + 10 * GROWTH
    small = allowance(one_step([1.0]), NO_GAP, torch.float64, 4)
    large = allowance(one_step([1000.0]), NO_GAP, torch.float64, 4)
    assert float(large / small) == pytest.approx(1000)


def test_the_references_own_gap_is_granted_several_times():
    """Linear in the gap, on top of the floor."""
    scale = one_step([1.0, 2.0])
    floor = allowance(scale, NO_GAP, torch.float32, 1)
    more = allowance(scale, NO_GAP + 1e-6, torch.float32, 1)
    torch.testing.assert_close(more - floor, torch.full_like(scale, MULTIPLE * 1e-6))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_that_underflow_are_not_judged_relatively(dtype):
    """A scale of 0 counts as the smallest normal number: a few subnormal steps are granted."""
    allowed = float(allowance(one_step([0.0]), NO_GAP, dtype, 1))
    info = torch.finfo(dtype)
    assert allowed == pytest.approx(unit_roundoff(dtype) * rounding_units(1) * info.tiny)
    assert info.tiny * info.eps <= allowed <= 10 * info.tiny * info.eps


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_gap_of_one_ulp_is_one(dtype):
    """At 1 the ulp is the epsilon; a value twice as large has one twice as large."""
    eps = torch.finfo(dtype).eps
    gaps = in_ulps(one_step([eps, eps, 3 * eps]), one_step([1.0, 2.0, -1.0]), dtype)
    expected = one_step([1.0, 0.5, 3.0])
    torch.testing.assert_close(gaps, expected, rtol=0.1, atol=0)  # float16 is coarse


def test_no_gap_at_zero_is_zero():
    """0/0 is no gap; a gap at 0 is a large number, but a number."""
    gaps = in_ulps(one_step([0.0, 1.0]), one_step([0.0, 0.0]), torch.float32)
    assert float(gaps[0, 0]) == 0
    assert gaps.isfinite().all()
    assert float(gaps[0, 1]) > 1e30


def test_nan_is_no_small_gap():
    """It stays NaN, for the judge to see."""
    assert in_ulps(one_step([float("nan")]), one_step([1.0]), torch.float32).isnan().all()
