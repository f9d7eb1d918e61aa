"""MXNet's own conventions, of the stand-in and, where it is installed, of the package itself."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch

from harness.answers.stubs import mxnet as stand_in


def installed() -> Any:
    """The real package; where it is missing, or older than this NumPy allows, None."""
    try:
        return importlib.import_module("mxnet")
    except (ImportError, AttributeError):
        return None


@pytest.fixture(params=["stand-in", "mxnet"])
def mx(request) -> Iterator[Any]:
    """Either; code of the stand-in runs as an answer does, with nothing recorded at first."""
    if request.param == "stand-in":
        with torch.no_grad():
            yield stand_in
        return
    real = installed()
    if real is None:
        pytest.importorskip("mxnet", reason="mxnet is not installed: the stand-in stands alone")
        pytest.skip("the mxnet that is installed does not work with this NumPy")
    yield real


def values(array: Any) -> list[float]:
    """All values of an array, whatever its shape."""
    found: list[float] = np.asarray(array.asnumpy(), dtype=float).reshape(-1).tolist()
    return found


def test_only_what_is_recorded_is_differentiated(mx):
    x = mx.nd.array([1.0, 2.0])
    x.attach_grad()
    assert values(x.grad) == [0, 0]
    with pytest.raises(Exception, match="computational graph"):
        (x * x).sum().backward()
    with mx.autograd.record():
        y = x * x
        with mx.autograd.pause():
            z = x * 10
    y.backward()
    assert values(x.grad) == [2, 4]
    assert values(z) == [10, 20]


def test_backward_sums_and_overwrites(mx):
    x = mx.nd.array([[1.0], [2.0]])
    x.attach_grad()
    buffer = x.grad
    for _ in range(2):
        with mx.autograd.record():
            y = 3 * x
        y.backward()
    assert values(x.grad) == values(buffer) == [3, 3]
    with mx.autograd.record():
        y = x * x
    y.backward(mx.nd.array([[1.0], [10.0]]))
    assert values(x.grad) == [2, 40]


def test_gradients_add_up_where_that_is_asked(mx):
    x = mx.nd.array([1.0, 2.0])
    x.attach_grad(grad_req="add")
    for _ in range(2):
        with mx.autograd.record():
            y = (x * x).sum()
        y.backward()
    assert values(x.grad) == [4, 8]
    x.grad[:] = 0
    assert values(x.grad) == [0, 0]


def test_updates_are_in_place(mx):
    x = mx.nd.array([1.0, 2.0])
    x.attach_grad()
    same = x
    with mx.autograd.record():
        y = (x * x).sum()
    y.backward()
    x[:] = x - 0.5 * x.grad
    assert values(same) == [0, 0]
    with mx.autograd.record():
        y = (2 * x).sum()
    y.backward()
    x -= x.grad
    assert values(same) == [-2, -2]
    with mx.autograd.record(), pytest.raises(Exception, match="Inplace"):
        x[:] = 2 * x


def test_modes_nest(mx):
    autograd = mx.autograd
    assert (autograd.is_recording(), autograd.is_training()) == (False, False)
    with autograd.record():
        assert (autograd.is_recording(), autograd.is_training()) == (True, True)
        with autograd.predict_mode():
            assert (autograd.is_recording(), autograd.is_training()) == (True, False)
        with autograd.pause():
            assert not autograd.is_recording()
    assert not autograd.is_recording()


def test_gradients_by_a_function(mx):
    x = mx.nd.array([3.0])
    x.attach_grad()
    with mx.autograd.record():
        y = x * x
    (found,) = mx.autograd.grad([y], [x], retain_graph=True)
    assert values(found) == [6]
    mx.autograd.backward([y])
    assert values(x.grad) == [6]


def test_a_variable_begins_a_graph_anew(mx):
    x = mx.nd.array([2.0])
    x.attach_grad()
    with mx.autograd.record():
        y = x * x
    y.attach_grad()
    with mx.autograd.record():
        z = 3 * y
    z.backward()
    assert (values(x.grad), values(y.grad)) == ([0], [3])


def test_arrays_of_the_classic_api(mx):
    nd = mx.nd
    X = nd.arange(6).reshape((3, 2))
    assert (X.size, X.shape, X.context) == (6, (3, 2), mx.cpu())
    assert values(X.take(nd.array([2, 0]))) == [4, 5, 0, 1]
    assert values(nd.take(X, nd.array([1]))) == [2, 3]
    assert values(X[1:3]) == [2, 3, 4, 5]
    assert values(X.reshape((-1, 1))[:2]) == [0, 1]
    assert X.reshape((0, -1)).shape == (3, 2)
    assert values(nd.dot(X, nd.array([[1.0], [10.0]]))) == [10, 32, 54]
    assert nd.concat(X, X, dim=0).shape == (6, 2)
    assert nd.concat(X, X).shape == (3, 4)
    assert X.sum(axis=0).shape == (2,)
    assert values(X.mean(axis=0)) == [2, 3]
    assert values(X.max(axis=1)) == [1, 3, 5]
    assert values(nd.ones(6) == 1) == [1] * 6
    assert X.mean().asscalar() == 2.5
    assert X.astype("float64").asnumpy().dtype == np.float64
    assert nd.array(np.ones(2)).asnumpy().dtype == np.float32
    assert values(nd.exp(nd.zeros(2))) == [1, 1]
    assert values(nd.max(X, axis=0)) == [4, 5]
    assert values(nd.maximum(X, 3)) == [3, 3, 3, 3, 4, 5]
    other = nd.zeros((3, 2))
    X.copyto(other)
    assert values(other.as_in_context(mx.cpu())) == values(X)
    assert values(X.T)[:3] == [0, 2, 4]
    with pytest.raises(ValueError, match="not a scalar"):
        X.asscalar()
    X.wait_to_read()


def test_arrays_of_the_numpy_api(mx):
    mx.npx.set_np()
    try:
        mnp = mx.np
        X = mnp.arange(6).reshape(3, 2)
        assert (X.size, X.shape, X.ndim) == (6, (3, 2), 2)
        assert values(X[mnp.array([2, 0])]) == [4, 5, 0, 1]
        assert values(mnp.dot(X, mnp.array([1.0, 10.0]))) == [10, 32, 54]
        assert values(mnp.concatenate([X, X]))[:6] == values(X)
        assert mnp.array([1, 2]).asnumpy().dtype == np.float32
        assert float(X.mean()) == 2.5
        assert values(mnp.abs(-X)) == values(X)
        assert float(X.std()) == pytest.approx(np.std(range(6)))
        assert values(mnp.var(X, axis=0)) == pytest.approx([8 / 3, 8 / 3])
        assert values(mnp.minimum(2, X)) == [0, 1, 2, 2, 2, 2]
        assert mnp.expand_dims(X, 0).shape == (1, 3, 2)
        assert values(mnp.ones((2, 1)) * 3) == [3, 3]
        assert mnp.random.normal(0, 1, (4, 2)).shape == (4, 2)
        assert mnp.random.uniform(size=3).shape == (3,)
        assert int(mnp.random.randint(5)) in range(5)
        rows = mnp.arange(50)
        mnp.random.shuffle(rows)
        assert values(rows) != sorted(values(rows))
        assert sorted(values(rows)) == [*range(50)]
    finally:
        mx.npx.reset_np()


def test_draws_are_seeded(mx):
    drawn = []
    for seed in (3, 3, 4):
        mx.random.seed(seed)
        drawn.append(values(mx.nd.random.normal(loc=1, scale=0.5, shape=(1000,))))
    assert drawn[0] == drawn[1] != drawn[2]
    assert np.mean(drawn[0]) == pytest.approx(1, abs=0.1)
    assert np.std(drawn[0]) == pytest.approx(0.5, abs=0.1)
    spread = values(mx.nd.random.uniform(-2, 3, shape=(1000,)))
    assert min(spread) >= -2
    assert max(spread) <= 3
    rows = mx.nd.random.shuffle(mx.nd.arange(50))
    assert sorted(values(rows)) == [*range(50)] != values(rows)


def test_gluon_trains(mx):
    """The concise form comes to the line that its data lie on."""
    nd, gluon = mx.nd, mx.gluon
    mx.random.seed(1)
    X = nd.random.normal(shape=(200, 2))
    y = nd.dot(X, nd.array([[2.0], [-3.4]])) + 4.2
    batches = gluon.data.DataLoader(gluon.data.ArrayDataset(X, y), 32, shuffle=True)
    assert [len(b) for b, _ in batches] == [32] * 6 + [8]
    net = gluon.nn.Sequential()
    net.add(gluon.nn.Dense(1))
    net.initialize(mx.init.Normal(sigma=0.01))
    loss = gluon.loss.L2Loss()
    trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.1})
    assert loss(net(X[:3]), y[:3]).shape == (3,)
    for _ in range(12):
        for features, labels in batches:
            with mx.autograd.record():
                costs = loss(net(features), labels)
            costs.backward()
            trainer.step(len(features))
    assert trainer.learning_rate == 0.1
    assert values(net[0].weight.data()) == pytest.approx([2, -3.4], abs=1e-2)
    assert values(net[0].bias.data()) == pytest.approx([4.2], abs=1e-2)


def test_the_reasons_why_the_package_is_not_there(monkeypatch):
    """Control: what a NumPy that is too new does to its import is told from a fault here."""

    def broken(name: str) -> Any:
        raise AttributeError(f"module 'numpy' has no attribute 'bool', says {name}")

    monkeypatch.setattr(importlib, "import_module", broken)
    assert installed() is None


def test_torch_is_left_alone():
    """What the stand-in does, it does to its own class: a plain tensor stays one."""
    plain = torch.ones(2, requires_grad=True)
    array = stand_in.nd.array([1.0, 2.0])
    assert type(plain + plain) is torch.Tensor
    assert type(plain + array) is stand_in.nd.NDArray
    assert callable(plain.size)
    assert not hasattr(plain, "asnumpy")
    with nullcontext(), pytest.raises(RuntimeError, match="leaf Variable"):
        plain[:] = 2 * plain
