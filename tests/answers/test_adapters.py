"""Pieces in the shapes of a recipe: handed on as they are, but for the flat convention."""

import numpy as np
import pytest
import torch

from harness.answers import adapters
from harness.answers.component import made
from harness.engine.components.contract import BY_ROLE


def piece(component, function):
    return made(BY_ROLE[component], "f", function, 1, stub=False, constants={}, reads=set())


def test_a_wrong_shape_stays_visible_unless_the_file_is_flat():
    net = piece("linreg", lambda X, w, b: (X @ w + b).reshape(-1))
    X, w, b = torch.ones(4, 2), torch.ones(2, 1), torch.ones(1)
    assert adapters.forward(net, flat=False)(X, w, b).shape == (4,)
    assert adapters.forward(net, flat=True)(X, w, b).shape == (4, 1)


def test_a_flat_loss_gets_flat_tensors():
    loss = piece("squared_loss", lambda y_hat, y: (y_hat - y) ** 2 / 2)
    y_hat, y = torch.ones(4, 1), torch.zeros(4)
    assert adapters.loss(loss, flat=False)(y_hat, y).shape == (4, 4)
    assert adapters.loss(loss, flat=True)(y_hat, y).shape == (4, 1)


def test_batches_start_anew_each_epoch():
    f = piece("data_iter", lambda features, labels, batch_size: iter([(features, labels)]))
    each = adapters.EachEpoch(f, torch.ones(3, 2), torch.ones(3, 1), 2, numpy=False)
    assert [len(list(each)), len(list(each))] == [1, 1]


def test_batches_in_numpy_become_tensors():
    def data_iter(features, labels, batch_size):
        assert isinstance(features, np.ndarray)
        yield features[:2], labels[:2]

    each = adapters.EachEpoch(
        piece("data_iter", data_iter), torch.ones(3, 2), torch.ones(3, 1), 2, numpy=True
    )
    ((X, _),) = each
    assert isinstance(X, torch.Tensor)


def test_no_batches_are_told():
    f = piece("data_iter", lambda batch_size, features, labels: None)
    with pytest.raises(TypeError, match="f returned NoneType, but should return something"):
        iter(adapters.EachEpoch(f, torch.ones(3, 2), torch.ones(3, 1), 2, numpy=False))


@pytest.mark.parametrize(("divides", "wanted"), [(True, -0.5), (False, -1.0)])
def test_updates_get_the_true_length(divides, wanted):
    """Under a mean gradient too, so that an update which divides it again is seen."""

    def sgd(params, lr, batch_size):
        for p in params:
            p.data -= lr * p.grad / (batch_size if divides else 1)

    p = torch.zeros(1, requires_grad=True)
    p.grad = torch.ones(1)
    rows = adapters.Rows(convention_divides=False)
    rows.noting(lambda X: X)(torch.ones(2, 1))
    adapters.Update(piece("sgd", sgd), [p], 1.0, rows.length, returns=False).step(1)
    assert p.item() == wanted


def test_updates_that_return():
    f = piece("sgd", lambda params, lr, batch_size: [p - lr * p.grad for p in params])
    for returns, wanted in ((True, -1.0), (False, 0.0)):
        p = torch.zeros(1, requires_grad=True)
        p.grad = torch.ones(1)
        adapters.stepped(f, [p], 1.0, 1, returns=returns)
        assert p.item() == wanted


def test_drawn_parameters():
    f = piece("init_params", lambda num_inputs: {"w": torch.zeros(num_inputs), "b": torch.zeros(1)})
    w, _ = adapters.drawn(f, 3, flat=True)
    assert w.shape == (3, 1)
    assert adapters.drawn(f, 3, flat=False)[0].shape == (3,)
    with pytest.raises(TypeError, match="should return \\(w, b\\)"):
        adapters.drawn(piece("init_params", lambda d: None), 3, flat=False)


def test_a_leaf_stays_a_leaf_and_no_other_becomes_one():
    leaf = torch.zeros(3, requires_grad=True)
    for value, is_leaf in ((leaf, True), (leaf * 2, False)):
        f = piece("init_params", lambda d, value=value: (value, torch.zeros(1)))
        assert adapters.drawn(f, 3, flat=True)[0].is_leaf is is_leaf
