"""Both packages on a device other than the CPU: made in Python, so that every machine has one."""

import pytest

CPU_IN_ANY_CASE = {"object", "mse, clipped, in pieces", "hidden layer"}  # losses of validation


@pytest.fixture(scope="module")
def trainings(on_wrapped_device):
    """What every training leaves on the CPU and there: values, each with where it lies."""
    return on_wrapped_device("packages")


def test_every_training_leaves_the_same_values_there(trainings):
    """It computes on the CPU, so to the bit; what is trained there stays there."""
    assert len(trainings) == 24
    for name, (cpu, wrapped) in trainings.items():
        if name.endswith("left behind"):
            continue
        assert [values for values, _ in wrapped] == [values for values, _ in cpu], name
        validated = name.partition(": ")[2] in CPU_IN_ANY_CASE
        places = [place for _, place in wrapped[: len(wrapped) - validated]]
        assert set(places) == {"wrapped"}, name


@pytest.mark.parametrize("side", ["scratch", "builtin"])
def test_parameters_left_on_the_cpu_are_refused_there(trainings, side):
    """The control: the same training passes where features and parameters lie together."""
    cpu, wrapped = trainings[f"{side}: left behind"]
    assert len(cpu) == 2
    assert not wrapped
