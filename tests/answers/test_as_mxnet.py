"""What a file's framework changes in how it runs: nothing is recorded but where MXNet records."""

import pytest
import torch

from harness.answers import as_mxnet
from harness.answers.answer import load
from harness.answers.source import read

PARTS = """
def linreg(X, w, b):
    return nd.dot(X, w) + b
def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
def sgd(params, lr, batch_size):
    for p in params:
        p[:] = p - lr * p.grad / batch_size
"""


def pieces(head):
    """The pieces of a file that begins so."""
    return load(read((head + PARTS).encode(), "answer.py")).pieces


def test_pieces_of_mxnet_are_handed_arrays():
    """A model and a loss within `record()`, an update outside."""
    found = pieces("from mxnet import nd")
    w = torch.ones(2, 1, requires_grad=True)
    given = found["linreg"](X=torch.ones(3, 2), w=w, b=torch.zeros(1), params=[])
    assert type(w).__name__ == type(given).__name__ == "NDArray"
    assert given.requires_grad
    assert {name: piece.no_grad for name, piece in found.items()} == {
        "linreg": False,
        "squared_loss": False,
        "sgd": True,
    }


@pytest.mark.parametrize("head", ["import torch", "import torch\nfrom mxnet import nd"])
def test_a_file_that_has_torch_goes_by_its_grad_mode(head):
    assert not any(piece.no_grad for piece in pieces(head).values())


def test_a_file_without_mxnet_keeps_its_tensors():
    found = pieces("import torch as nd")
    assert all(piece.hand is None for piece in found.values())
    y_hat = torch.ones(2, 1, requires_grad=True)
    found["squared_loss"](y_hat=y_hat, y=torch.ones(2))
    assert type(y_hat) is torch.Tensor


@pytest.mark.parametrize(("kind", "kept"), [("'add'", "add"), ("'write'", "write"), ("", "write")])
def test_gradients_add_up_as_those_of_the_file_do(kind, kept):
    """What a loop is handed is attached as the file attaches its own."""
    found = pieces(f"from mxnet import nd\nparams = [nd.ones(1)]\nparams[0].attach_grad({kind})\n")
    w = torch.ones(2, 1, requires_grad=True)
    found["sgd"].handed({"params": [w]})
    assert getattr(w, "grad_req", "") == kept


def test_the_mode_is_that_of_the_file_as_far_as_it_has_run():
    with as_mxnet.as_it_runs(["matplotlib"], {}):
        assert torch.is_grad_enabled()
    with as_mxnet.as_it_runs(["mxnet"], {"x": 1}):
        assert not torch.is_grad_enabled()
    with as_mxnet.as_it_runs(["mxnet"], {"torch": torch}):
        assert torch.is_grad_enabled()
