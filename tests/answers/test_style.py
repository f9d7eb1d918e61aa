"""The manner of a file: parameters in its own shapes."""

import pytest
import torch

from harness.answers.style import Manner


@pytest.mark.parametrize(
    ("manner", "shapes"),
    [
        (Manner(), [(3, 1), (1,)]),
        (Manner(weight="flat"), [(3,), (1,)]),
        (Manner(weight="row", scalar_bias=True), [(1, 3), ()]),
    ],
)
def test_leaves(manner, shapes):
    leaves = manner.leaves(3, torch.zeros(1, dtype=torch.float64))
    assert [tuple(leaf.shape) for leaf in leaves] == shapes
    assert {leaf.dtype for leaf in leaves} == {torch.float64}
    assert manner.leaves(3)[0].dtype == torch.float32
