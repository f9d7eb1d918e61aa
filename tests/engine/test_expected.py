"""Scales that are sampled at some steps, and worked out at others where that decides."""

from dataclasses import dataclass

import pytest
import torch

from harness.engine.expected import Expected, between, joined, sampled, shared
from harness.engine.model_twin import SAMPLED
from harness.engine.stage import REFINED, StageRecord

STEPS = 40


@dataclass
class Steps:
    """Places of some steps."""

    places: list[tuple[int, int]]

    def __len__(self):
        return len(self.places)


def kinked(kinks):
    """Values 1 with a scale of 1, but for steps at a kink, where it is 10⁶; sampled as a stack."""
    true = torch.ones(STEPS, 1, dtype=torch.float64)
    true[list(kinks)] = 1e6
    worked_out = []

    def refine(steps):
        worked_out.extend(steps)
        return true[list(steps)]

    places = sampled(STEPS, SAMPLED)
    scale = between(places, true[places], STEPS)
    return Expected(torch.ones_like(true), scale, 1, refine), worked_out


def judged(expected, off, by=1e-2):
    record = StageRecord("prediction", torch.float32)
    value = expected.value.clone()
    value[list(off)] += by
    nothing = torch.zeros_like(value)
    steps = Steps([(0, k) for k in range(STEPS)])
    record.add(steps, value, expected, nothing, equal_bits=False)
    return record


@pytest.mark.parametrize("kinks", [[3], [3, 4, 5], range(1, 3 * REFINED)])
def test_a_kink_between_sampled_steps_is_no_false_alarm(kinks):
    """However many there are; each of them is worked out."""
    unsampled = [k for k in kinks if k not in sampled(STEPS, SAMPLED)]
    expected, worked_out = kinked(unsampled)
    assert judged(expected, unsampled).level == "rounding"
    assert set(worked_out) == set(unsampled)


def test_a_fault_beside_a_kink_is_still_one():
    """The kink is explained, the other step is not; nothing is worked out without need."""
    expected, worked_out = kinked([3])
    record = judged(expected, [3, 21])
    assert record.first is not None
    assert record.first.step == 21
    assert set(worked_out) == {3, 21}


def test_a_fault_everywhere_is_found_at_the_price_of_one_block():
    expected, worked_out = kinked([])
    assert judged(expected, range(STEPS)).level == "different"
    assert len(worked_out) == REFINED


def test_what_agrees_is_not_worked_out():
    expected, worked_out = kinked([3])
    assert judged(expected, []).level == "rounding"
    assert judged(expected, [3, 4], by=1e-8).level == "rounding"  # not to the bit
    assert not worked_out


def test_a_scale_never_gets_smaller_by_being_worked_out():
    expected = Expected(torch.ones(3, 1), torch.full((3, 1), 5.0), 1, lambda s: torch.ones(1, 1))
    assert torch.equal(expected.refined([1]).scale, expected.scale)


def test_joined_stages_are_refined_side_by_side():
    expected, _ = kinked([3])
    plain = Expected(expected.value, 2 * torch.ones_like(expected.value), 4)
    both = joined(plain, expected)
    assert both.refined([3]).scale[3].tolist() == [2, 1e6]
    assert both.length == 4


def test_steps_are_sampled_at_both_ends_and_evenly():
    assert sampled(STEPS, SAMPLED)[0] == 0
    assert sampled(STEPS, SAMPLED)[-1] == STEPS - 1
    assert len(sampled(STEPS, SAMPLED)) == SAMPLED
    assert sampled(1, SAMPLED) == [0]
    assert sampled(3, SAMPLED) == [0, 1, 2]


def test_the_larger_neighbour_counts_between_samples():
    scales = torch.tensor([[1.0], [4.0], [2.0]])
    assert between([0, 2, 4], scales, 5).reshape(-1).tolist() == [1, 4, 4, 4, 2]


def test_the_largest_move_is_shared_within_a_tensor_only():
    moves = torch.tensor([[1.0, 3.0, 2.0]])
    assert shared(moves, [2, 1]).tolist() == [[3, 3, 2]]
