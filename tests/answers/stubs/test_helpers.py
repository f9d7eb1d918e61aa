"""The books' helpers on MXNet and in the first Chinese edition: their parts are the right ones."""

import pytest
import torch

from harness.answers.stubs import d2l_mxnet, d2lzh, d2lzh_pytorch
from harness.answers.stubs.inert import Inert
from harness.answers.stubs.mxnet import autograd, np
from harness.answers.stubs.mxnet.array import NDArray, handed

HELPERS = [d2l_mxnet, d2lzh, d2lzh_pytorch]


@pytest.mark.parametrize("helpers", HELPERS)
def test_the_four_parts_train(helpers):
    """The built-ins that they stand for, and named as such."""
    assert {"data_iter", "linreg", "squared_loss", "sgd"} <= {*helpers.BUILT_IN}
    w, b = torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    features = torch.randn(50, 2)
    labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
    if helpers is not d2lzh_pytorch:
        handed([w, b, features, labels])
    for _ in range(60):
        lengths = []
        for X, y in helpers.data_iter(20, features, labels):
            lengths.append(len(X))
            w.grad = b.grad = None
            loss = helpers.squared_loss(helpers.linreg(X, w, b), y)
            torch.autograd.backward([loss.sum()])
            with torch.no_grad():
                helpers.sgd([w, b], 0.2, len(X))
        assert lengths == [20, 20, 10]
    assert w.flatten().tolist() == pytest.approx([2, -3.4], abs=1e-3)
    assert b.tolist() == pytest.approx([4.2], abs=1e-3)


@pytest.mark.parametrize("helpers", HELPERS)
def test_all_else_does_nothing(helpers):
    assert isinstance(helpers.Animator(xlabel="epoch"), Inert)
    with pytest.raises(AttributeError):
        _ = helpers.__wrong__
    assert {*helpers.__all__} <= {*dir(helpers)}


class Model(d2l_mxnet.Module):
    """The object form, as the book has it."""

    def __init__(self, num_inputs, lr):
        super().__init__()
        self.save_hyperparameters()
        self.w, self.b = np.zeros((num_inputs, 1)), np.zeros(1)
        self.w.attach_grad()
        self.b.attach_grad()

    def forward(self, X):
        """The line."""
        return np.dot(X, self.w) + self.b

    def loss(self, y_hat, y):
        """Half squares."""
        return ((y_hat - y) ** 2 / 2).mean()

    def configure_optimizers(self):
        """Plain descent."""
        return SGD([self.w, self.b], self.lr)


class SGD(d2l_mxnet.HyperParameters):
    """Its update."""

    params: list[NDArray]
    lr: float

    def __init__(self, params, lr):
        self.save_hyperparameters()

    def step(self, _):
        """In place."""
        for param in self.params:
            assert param.grad is not None
            param[:] = param - self.lr * param.grad


def test_the_object_form_trains():
    """Nothing is recorded but by the Trainer, and nothing is cleared."""
    torch.manual_seed(0)
    with torch.no_grad():
        data = d2l_mxnet.SyntheticRegressionData(np.array([2.0, -3.4]), 4.2, num_val=10)
        model = Model(2, lr=0.1)
        d2l_mxnet.Trainer(max_epochs=5).fit(model, data)
        assert not autograd.is_recording()
    assert model.w.flatten().tolist() == pytest.approx([2, -3.4], abs=1e-2)
    assert model.lr == 0.1
    assert sum(len(X) for X, _ in data.val_dataloader()) == 10
    assert data.X.shape == (1010, 2)


def test_names_of_d2l_for_what_arrays_do():
    x = d2l_mxnet.tensor([[1, 2], [3, 4]])
    assert type(x) is NDArray
    assert d2l_mxnet.matmul(x, d2l_mxnet.ones((2, 1))).flatten().tolist() == [3, 7]
    assert d2l_mxnet.numpy(d2l_mxnet.reduce_sum(x)) == 10
    assert d2l_mxnet.size(d2l_mxnet.reshape(x, (-1, 1))) == 4
    assert d2l_mxnet.normal(0, 1, (3, 2)).shape == (3, 2)
    features, labels = d2l_mxnet.synthetic_data(np.array([2.0]), 1.0, 20)
    assert (features.shape, labels.shape) == ((20, 1), (20, 1))
    batches = d2l_mxnet.load_array((features, labels), 8)
    assert [len(X) for X, _ in batches] == [8, 8, 4]
    loss = d2l_mxnet.evaluate_loss(lambda X: X * 2 + 1, batches, d2l_mxnet.squared_loss)
    assert 0 < loss < 1e-3
    assert str(d2l_mxnet.try_gpu()) == "cpu(0)"
