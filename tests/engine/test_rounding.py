"""Random rounding: what it sees, what it leaves alone, and how its constants are pinned."""

import pytest
import torch
from torch import nn

from harness.engine import rounding
from harness.engine.rounding import RandomRounding, moved, twisted
from harness.engine.tolerance import unit_roundoff

UNIT = unit_roundoff(torch.float32)


def scale(function, X, runs=rounding.RUNS):
    """The scale of every value of a function of X."""
    mode = RandomRounding(UNIT)
    given = mode.rounded(X.expand(runs, *X.shape).clone())
    with mode:
        shaken = function(given)
    return moved(shaken, function(X), UNIT)


def slope_of_relu(X):
    return (X > 1).double()


def beside_the_kink(units, count=1):
    return torch.full((count,), 1 + units * UNIT, dtype=torch.float64)


@pytest.mark.parametrize(("units", "crossed"), [(3, True), (3.9, True), (4.1, False), (9, False)])
def test_a_kink_is_crossed_within_four_roundings(units, crossed):
    """Nearer ones are as good as on either side; a mistake a little further off is still seen."""
    assert bool(scale(slope_of_relu, beside_the_kink(units)).any()) is crossed


def test_so_many_runs_miss_no_kink():
    """Each entry is moved across in every second run; few runs (control) miss some."""
    kinks = beside_the_kink(3, 1000)
    assert scale(slope_of_relu, kinks).all()
    assert not scale(slope_of_relu, kinks, runs=4).all()


def test_cancellation_is_seen():
    """The scale of a difference is the size of what it is taken of, not that of the difference."""
    X = torch.tensor([1000.0], dtype=torch.float64)
    found = float(scale(lambda x: (x + 1.0) - x, X))
    assert 500 < found < 3000


def certain(logits):
    """The log-probability of a class that is almost certain."""
    return torch.log_softmax(logits, -1)[..., :1]


def slope_of_certain(logits):
    leaf = logits.detach().requires_grad_()
    with torch.enable_grad():
        (slope,) = torch.autograd.grad(certain(leaf).sum(), leaf)
    return slope


@pytest.mark.parametrize("function", [certain, slope_of_certain])
def test_what_cancels_inside_log_softmax_is_seen(function):
    """1 - p is 2e-9, and has been rounded as p: the scale is that of p, whatever is left of it."""
    logits = torch.tensor([20.0, 0.0], dtype=torch.float64)
    assert float(function(logits).abs().max()) < 1e-8
    assert 0.5 < float(scale(function, logits).max()) < 4


def test_without_taking_it_apart_it_is_not_seen(monkeypatch):
    """The control."""
    monkeypatch.setattr(rounding, "_TAKEN_APART", set())
    logits = torch.tensor([20.0, 0.0], dtype=torch.float64)
    assert float(scale(certain, logits).max()) < 1e-6


def test_a_product_is_rounded_about_once():
    X = torch.tensor([3.0], dtype=torch.float64)
    assert 3 <= float(scale(lambda x: x * 2.0, X)) <= 3 * 2 * 2.1


def test_views_and_copies_round_nothing():
    X = torch.arange(6, dtype=torch.float64)
    with RandomRounding(UNIT):
        same = torch.cat((X.reshape(2, 3).T.clone(), -(-X).reshape(2, 3).T))
        rounded = X * 1.0
    assert torch.equal(same[:3], same[3:])
    assert not torch.equal(rounded, X)


def test_whole_numbers_stay():
    X = torch.arange(6)
    with RandomRounding(UNIT) as mode:
        assert torch.equal(X + X, 2 * torch.arange(6))
    assert torch.equal(mode.rounded(X), X)


def test_the_longest_sum_is_noted():
    with RandomRounding(UNIT) as mode:
        torch.ones(4, 7, dtype=torch.float64) @ torch.ones(7, 3, dtype=torch.float64)
    assert mode.length == 7


def test_the_drawn_signs_are_the_same_each_time_and_follow_the_unit():
    X = torch.ones(10, dtype=torch.float64)
    first, again, coarse = (RandomRounding(unit).rounded(X) for unit in (UNIT, UNIT, 2 * UNIT))
    assert torch.equal(first, again)
    assert torch.allclose(coarse - 1, 2 * (first - 1), rtol=1e-6)


def test_a_convolution_sums_up_over_what_one_filter_covers():
    """Its channels and its places, not the filters."""
    with RandomRounding(UNIT) as mode:
        nn.functional.conv2d(torch.ones(1, 2, 5, 5).double(), torch.ones(4, 2, 3, 3).double())
    assert mode.length == 2 * 3 * 3


def test_a_twisted_value_is_larger_or_smaller_by_just_so_much():
    """Either, at random."""
    values = torch.full((1000,), 3.0, dtype=torch.float64)
    changed = twisted(values, 2.0**-10, torch.Generator().manual_seed(0))
    assert set(changed.tolist()) == {3 * (1 - 2.0**-10), 3 * (1 + 2.0**-10)}
    assert 400 < int((changed > 3).sum()) < 600
