"""What a report shows of a run: the right points, at the right steps, whatever the chunks."""

import dataclasses
from typing import Any

import pytest
import torch

from harness.engine.comparison import compare
from harness.engine.curves import CURVE_POINTS, Curve
from harness.pairs.linear import BUILTIN, SCRATCH, LinearCase

CASE = LinearCase("course", "a tail in every epoch", num_examples=53, epochs=4)


def course_of(case, **pieces):
    """Return the course of the scratch side with some pieces replaced."""
    subject = dataclasses.replace(SCRATCH["mse"], name="subject", **pieces)
    return compare(subject, None, [case]).cases[0].course


def trained(case, recipe):
    """Return the parameters and the loss on all data after each epoch, by a loop of its own."""
    data = case.data()
    side = recipe.build(case, data)
    step, ends = side.stepper(), []
    for _ in range(case.epochs):
        for batch in side.loader:
            step(batch)
        ends.append(torch.cat([p.detach().reshape(-1) for p in side.parameters()]))
    return ends, [data.mean_squared_error(end) for end in ends]


@pytest.mark.parametrize("chunk", [1, 7, 512])
def test_epoch_losses_and_end_are_those_of_the_run(chunk, monkeypatch):
    monkeypatch.setattr("harness.engine.lockstep.chunk_steps", lambda *_: chunk)
    course = course_of(CASE)
    ends, losses = trained(CASE, BUILTIN["mse"])
    assert course.epoch_loss == {"subject": losses, "reference": losses}
    final = course.final("a", "b")
    assert final["b"]["w"] == ends[-1][:-1].tolist()
    assert final["b"]["loss"] == losses[-1]
    assert final["least_squares"]["loss"] <= losses[-1]
    assert set(final) == {"a", "b", "truth", "least_squares"}


def test_a_hidden_layer_ends_without_truth_and_minimiser():
    """Its parameters by name, in the shapes of both layers; the curve names what it shows."""
    case = dataclasses.replace(CASE, hidden=3)
    comparison = compare(cases=[case]).cases[0]
    ends, losses = trained(case, BUILTIN["mse"])
    final: dict[str, Any] = comparison.course.final("a", "b")
    assert set(final) == {"a", "b"}
    assert final["b"]["loss"] == losses[-1]
    assert [final["b"][name] for name in ("W1", "b1", "W2", "b2")] == [
        part.tolist() for part in ends[-1].split((6, 3, 3, 1))
    ]
    curve: dict[str, Any] = comparison.course.curve()
    shown = curve["parameters"]
    assert shown["names"] == ["W1[0]", "W1[1]", "W1[2]", "W1[3]", "W1[4]", "b2"]
    assert [len(shown[side]) for side in ("subject", "reference")] == [6, 6]
    assert "no formula" in " ".join(comparison.notes)
    assert not compare(cases=[CASE]).cases[0].notes


def test_curve_keeps_steps_in_order_whatever_order_they_come_in():
    """Tails are stacked apart from the rest of their chunk."""
    curve = Curve(2)
    curve.add([0, 1, 3, 4], value=torch.tensor([0.0, 1.0, 3.0, 4.0]))
    curve.add([2, 5], value=torch.tensor([2.0, 5.0]))
    assert curve.column("step") == [0, 2, 4]
    assert curve.column("value") == [0.0, 2.0, 4.0]


def test_points_are_bounded_however_long_the_run():
    course = course_of(dataclasses.replace(CASE, epochs=150))
    curve = course.curve()
    assert CURVE_POINTS / 2 < len(curve["step"]) <= CURVE_POINTS
    assert curve["step"] == sorted(set(curve["step"]))
    for name in ("prediction", "loss", "gradient", "parameter"):
        assert len(curve["gap_ulps"][name]) == len(curve["step"])


def test_drift_is_the_largest_distance_of_the_two_paths():
    """None where both are equal; where the rate is off, what the last parameters show and more."""
    assert course_of(CASE).drifted()["max_gap"] == 0.0

    def faster(parameters, lr):
        return SCRATCH["mse"].optimizer(parameters, 2 * lr)

    course = course_of(CASE, optimizer=faster)
    final = course.final("a", "b")
    end = max(abs(x - y) for x, y in zip(final["a"]["w"], final["b"]["w"], strict=True))
    assert course.drifted()["max_gap"] >= end > 0.0
    assert max(course.drifted()["gap_ulps"]) > 1e3
