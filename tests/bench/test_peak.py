"""Peak memory: what a run adds is seen, what it leaves alone is not."""

from pathlib import Path

import pytest
import torch

from harness.bench.entries import setting
from harness.bench.peak import added, added_on_device, peaks

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="the peak is read from Linux's /proc"
)
MEGABYTE = 2**20


@needs_proc
def test_memory_that_is_taken_and_given_back_counts():
    """The peak, not what is left; the control takes next to nothing."""
    found = added(lambda: torch.ones(64 * MEGABYTE // 4))
    assert found is not None
    assert 60 <= found / MEGABYTE <= 80
    assert (added(lambda: None) or 0) / MEGABYTE < 2


@needs_proc
@pytest.mark.slow
def test_permuting_once_needs_the_data_once_more():
    """The data are 24 MB: a copy of them counts, picking a batch at a time does not."""
    case = setting("m", 200_000, 30, 1000)
    copying, picking = peaks([("closed form, permute once", case), ("closed-form gradient", case)])
    assert copying is not None
    assert picking is not None
    assert copying / MEGABYTE > 22
    assert picking / MEGABYTE < 12


def test_what_nobody_knows_is_none():
    case = setting("m", 10, 2, 5)
    assert peaks([("a recipe of somebody's own", case)]) == [None]
    assert peaks([]) == []
    assert added_on_device(lambda: None, "cpu") is None


@pytest.mark.cuda
def test_memory_on_the_device_counts():
    found = added_on_device(lambda: torch.ones(64 * MEGABYTE // 4, device="cuda"), "cuda")
    assert found == 64 * MEGABYTE
