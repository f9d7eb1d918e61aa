"""The engine on a device other than the CPU: made in Python, so that every machine has one.

A tensor that is left on the wrong device ends a case there with an error.
"""

import pytest

# the device computes on the CPU, so that every number has to be the same
SAME_ON_BOTH = {
    "own-order": "identical",
    "one-buffer": "identical",
    "stored-order": "different",
    "assigns-data": "rounding",
    "half-squares": "different",
    "per-example": "error",
    "scaled": "identical",
}


@pytest.fixture(scope="module")
def reports(on_wrapped_device):
    """The reports of all cases and subjects, by device."""
    return on_wrapped_device("engine")


def test_the_default_cases_come_to_the_same_on_either_device(reports):
    """Verdicts, stages, gaps, curves: every figure but the seconds; free and forced."""
    assert len(reports["cases"]) > 20
    for name, by_device in reports["cases"].items():
        assert by_device["wrapped"] == by_device["cpu"], name
        assert by_device["cpu"]["verdict"] in ("identical", "rounding", "convention"), name
        assert by_device["cpu"]["steps"] > 1, name


def test_every_stage_was_judged_there(reports):
    """Free and forced, but for what overflows by intention."""
    for name, by_device in reports["cases"].items():
        for mode in ("free", "forced"):
            stages = by_device["wrapped"]["runs"][mode].values()
            assert all(stage["steps"] for stage in stages if stage), name


@pytest.mark.parametrize("name", SAME_ON_BOTH)
def test_subjects_come_to_the_same_on_either_device(reports, name):
    """Right and wrong ones; two write to memory in ways that only addresses tell on the CPU."""
    by_device = reports["subjects"][name]
    assert by_device["wrapped"] == by_device["cpu"]
    assert by_device["cpu"]["verdict"] == SAME_ON_BOTH[name]


def test_rows_in_an_order_of_their_own_were_looked_up_there(reports):
    """The order is not the reference's, so the judge had to find every row."""
    assert reports["subjects"]["own-order"]["wrapped"]["order"] == "observed"


def test_a_tensor_left_on_the_cpu_is_an_error_there(reports):
    """The control: nobody notices on the CPU, and the other device refuses it."""
    by_device = reports["subjects"]["mixes"]
    assert by_device["cpu"]["verdict"] == "identical"
    assert by_device["wrapped"]["verdict"] == "error"
    refusal = "MixedDevicesError: aten::mul got tensors on wrapped:0 and one of shape (5, 1) on cpu"
    assert by_device["wrapped"]["reason"].endswith(refusal)
