"""Seeds of any size; that a run puts everything back is tested in `test_lockstep`."""

import gc
import random

import numpy as np
import pytest
import torch

from harness.engine.seeding import determinism, old_objects_left_alone, seed_all


def drawn(seed):
    """Return a number of each global generator after it was seeded."""
    with determinism(0):  # puts the generators back
        seed_all(seed)
        return random.random(), float(np.random.rand()), float(torch.rand(()))


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_a_seed_that_numpy_cannot_hold_is_taken_modulo_its_range(seed):
    """NumPy takes 32 bits; the other generators all of it."""
    small, large = drawn(seed), drawn(2**32 + seed)
    assert small[1] == large[1]
    assert (small[0], small[2]) != (large[0], large[2])
    assert drawn(seed + 2)[1] != small[1]


def test_old_objects_are_left_alone_until_the_end():
    """Also where one of these lies within another."""
    assert gc.get_freeze_count() == 0
    with old_objects_left_alone():
        held = gc.get_freeze_count()
        assert held
        with old_objects_left_alone():
            assert gc.get_freeze_count() == held
        assert gc.get_freeze_count() == held
    assert gc.get_freeze_count() == 0
