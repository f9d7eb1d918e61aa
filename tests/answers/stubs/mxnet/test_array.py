"""Tensors that become arrays where an answer is handed them, and stay what they were."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from harness.answers.stubs.mxnet.array import NDArray, array_of, handed


def test_a_tensor_becomes_an_array_in_place():
    """The same object, leaf and gradient; a variable has one from the beginning."""
    w = torch.ones(2, 1, requires_grad=True)
    handed({"params": [w, torch.zeros(1)], "lr": 0.1})
    assert type(w) is NDArray
    assert w.is_leaf
    assert w.grad is not None
    assert not w.grad.any()
    torch.autograd.grad((torch.ones(3, 2) @ w).sum(), [w])


def test_a_parameter_stays_one():
    layer = nn.Linear(2, 1)
    handed(list(layer.parameters()))
    assert isinstance(layer.weight, nn.Parameter)
    assert layer(torch.ones(1, 2)).shape == (1, 1)


def test_torchs_own_calls_still_work():
    """Who judges computes with what an answer gave, by torch's conventions."""
    x = array_of(torch.arange(6.0).reshape(2, 3))
    assert x.size() == torch.Size([2, 3])
    assert x.size(1) == 3
    assert x.max(dim=1).indices.tolist() == [2, 2]
    assert x.transpose(0, 1).shape == (3, 2)
    assert torch.equal(nn.functional.mse_loss(x, x), torch.tensor(0.0))
    assert x.reshape(torch.Size([3, 2])).shape == (3, 2)
    assert x.reshape(3, -1).shape == (3, 2)
    assert torch.empty(0, 3).as_subclass(NDArray).reshape(3, 0).shape == (3, 0)


def test_a_deep_copy_has_all_but_the_graph():
    w = array_of(torch.ones(2))
    w.attach_grad("add")
    copied = copy.deepcopy({"w": w})["w"]
    assert (type(copied), copied.requires_grad, copied.grad_req) == (NDArray, True, "add")
    assert copied.grad is not w.grad
    assert copied.grad is not None


def test_words_and_numbers():
    """Printing, formats and NumPy."""
    x = array_of(torch.tensor([1.5]))
    assert f"{x:.2f}" == "1.50"
    assert "%.1f" % x == "1.5"  # noqa: UP031 - as learners write it
    assert "NDArray" in f"{x}"
    assert np.asarray(x).tolist() == [1.5]
    assert [float(row) for row in x] == [1.5]
    with pytest.raises(ValueError, match="format"):
        _ = f"{array_of(torch.ones(2)):.2f}"
