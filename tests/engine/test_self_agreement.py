"""A reference against itself: what it says where it is no measure, and how far it may be off."""

import dataclasses
from typing import Any

import pytest
import torch

from harness.engine.case_comparison import CaseComparison
from harness.engine.self_agreement import _alike, disagreement
from harness.engine.stage import Divergence
from harness.pairs.linear import BUILTIN, LinearCase

SMALL = LinearCase("small", "six steps", num_examples=13, batch_size=5, epochs=2)
OWN = dataclasses.replace(BUILTIN["mse"], name="own", loss=torch.nn.L1Loss())
DISAGREES = "the reference does not agree with itself: "


def itself(reference=OWN):
    """Return a reference judged against itself."""
    return CaseComparison(SMALL, reference, reference).judge()


def test_a_sound_reference_agrees():
    """The control."""
    assert disagreement(itself()) is None


def test_a_divergence_in_numbers_is_told_by_how_far_it_is():
    """And not by what should be, which this reference does not know."""
    judged = itself()
    judged.runs["free"]["loss"].first = Divergence("loss", 1, 2, 2.5, 1.25, 1.25, 1e-7)
    assert disagreement(judged) == (
        f"{DISAGREES}loss[epoch 1 step 2] is 1.2e+00 away from its run in float64, "
        "where rounding explains 1.0e-07"
    )


def test_a_divergence_in_words_is_told_in_its_words():
    """There are no numbers then."""
    judged = itself()
    judged.rows.diverge(0, 1, "is odd")
    assert disagreement(judged) == f"{DISAGREES}batch[epoch 0 step 1] is odd"


def test_one_that_is_too_far_from_its_float64_run_is_no_measure():
    """Although it does not differ from itself."""
    judged = itself()
    judged.runs["free"]["loss"].sound = False
    said = disagreement(judged)
    assert said is not None
    assert said.startswith(DISAGREES)
    assert "further from its float64 run than rounding explains at loss" in said


@pytest.mark.parametrize("piece", ["model", "loss"])
def test_one_that_gives_something_else_the_second_time_is_no_measure(piece):
    """Of whichever of the two is asked twice."""
    calls = 0

    class Tired(torch.nn.Linear):
        def __init__(self, d):
            super().__init__(d, 1)

        def forward(self, X):
            nonlocal calls
            calls += 1
            return super().forward(X) + calls

    def tired(y_hat, y):
        nonlocal calls
        calls += 1
        return torch.nn.functional.l1_loss(y_hat, y) + calls

    pieces: dict[str, Any] = {"model": Tired, "loss": tired}
    said = disagreement(itself(dataclasses.replace(OWN, **{piece: pieces[piece]})))
    assert said == f"{DISAGREES}asked twice, it gives something else"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_the_same_is_what_lies_within_64_epsilons_of_the_largest(dtype):
    """NaN is the same as NaN."""
    values = torch.tensor([0.0, -8.0, torch.nan], dtype=dtype)
    eps = torch.finfo(dtype).eps
    for by, alike in ((63, True), (65, False), (-63, True), (-65, False)):
        others = values.clone()
        others[0] = by * eps * 8
        assert _alike(values, others) is alike
