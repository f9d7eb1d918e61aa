"""The sources' printed figures: kept by right code, broken by wrong code."""

import dataclasses

import pytest

from harness.pairs import published
from harness.pairs.linear import SCRATCH


@pytest.fixture
def few(monkeypatch):
    """Three seeds are enough to see whether a bound is kept."""
    monkeypatch.setattr(published, "SEEDS", 3)


def test_every_bound_is_kept_and_spread_stands_beside_the_printed_figure(few):
    rows = published.published()["rows"]
    bound = [row for row in rows if row["bound"]]
    assert len(bound) == 15
    assert all(row["ok"] is True for row in bound)
    assert all(row["low"] <= row["median"] <= row["high"] for row in rows)
    printed = [row for row in rows if row["printed"]]
    assert {row["source"] for row in printed} >= {s.name for s in published.SOURCES if s.losses}


def test_wrong_side_breaks_its_bounds(few, monkeypatch):
    """The control: with absolute errors the functional form does not get there."""
    wrong = dataclasses.replace(SCRATCH["functional"], loss=lambda y_hat, y: (y_hat - y).abs())
    monkeypatch.setitem(SCRATCH, "functional", wrong)
    rows = [row for row in published.published()["rows"] if "functional" in row["source"]]
    assert any(row["ok"] is False for row in rows)


@pytest.mark.slow
def test_bounds_hold_over_twenty_seeds():
    rows = published.published()["rows"]
    assert all(row["ok"] is not False for row in rows)
