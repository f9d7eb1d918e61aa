"""What stands in for d2l: enough of the book for its exercises to run, its built-ins marked."""

import pytest
import torch

from harness.answers.stubs import d2l
from harness.answers.stubs.inert import Inert


def test_synthetic_data_lies_on_the_line():
    torch.manual_seed(0)
    w = torch.tensor([2.0, -3.4])
    features, labels = d2l.synthetic_data(w, 4.2, 200)
    assert features.shape == (200, 2)
    assert labels.shape == (200, 1)
    noise = labels - (features @ w.reshape(-1, 1) + 4.2)
    assert 0 < float(noise.std()) < 0.02


def test_hyperparameters_become_attributes():
    class Model(d2l.Module):
        def __init__(self, num_inputs, lr, hidden=3):
            super().__init__()
            self.save_hyperparameters(ignore=["hidden"])

    model = Model(2, lr=0.1)
    assert model.hparams == {"num_inputs": 2, "lr": 0.1}
    assert model.lr == 0.1
    assert not hasattr(model, "hidden")


def test_data_module_serves_and_can_be_overridden():
    data = d2l.SyntheticRegressionData(torch.tensor([2.0]), 1.0, num_train=10, num_val=4)
    assert sum(len(X) for X, _ in data.train_dataloader()) == 10
    assert sum(len(X) for X, _ in data.val_dataloader()) == 4

    class Own(d2l.SyntheticRegressionData):
        pass

    @d2l.add_to_class(Own)
    def get_dataloader(self, train):
        yield self.X[:2], self.y[:2]

    assert get_dataloader is None
    assert [len(X) for X, _ in Own(torch.tensor([2.0]), 1.0).train_dataloader()] == [2]


def test_trainer_trains():
    class Model(d2l.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.zeros(2, 1, requires_grad=True)

        def forward(self, X):
            return X @ self.w

        def loss(self, y_hat, y):
            return ((y_hat - y) ** 2).mean()

        def configure_optimizers(self):
            return torch.optim.SGD([self.w], lr=0.1)

    model = Model()
    data = d2l.SyntheticRegressionData(torch.tensor([2.0, -3.4]), 0.0, num_val=0)
    d2l.Trainer(max_epochs=2, gradient_clip_val=100).fit(model, data)
    assert torch.allclose(model.w.flatten(), torch.tensor([2.0, -3.4]), atol=0.01)
    with pytest.raises(NotImplementedError):
        d2l.Module().loss(model.w, model.w)


def test_functions_are_right_and_marked_as_built_in():
    X, y = torch.ones(3, 2), torch.zeros(3)
    w, b = torch.ones(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True)
    loss = d2l.squared_loss(d2l.linreg(X, w, b), y)
    assert loss.flatten().tolist() == [2.0, 2.0, 2.0]
    loss.sum().backward()
    d2l.sgd([w, b], 0.5, 3)
    assert torch.allclose(w, torch.zeros(2, 1), atol=1e-6)
    assert {"linreg", "squared_loss", "sgd"} <= {*d2l.BUILT_IN}
    assert "synthetic_data" not in d2l.BUILT_IN


def test_torch_by_name_and_plots():
    assert torch.equal(d2l.ones(2), torch.ones(2))
    assert isinstance(d2l.plt.figure(), Inert)
    with pytest.raises(AttributeError):
        _ = d2l.__wrong__
    assert d2l.numpy(torch.ones(1, requires_grad=True)).tolist() == [1.0]


def test_timer_and_accumulator():
    timer, sums = d2l.Timer(), d2l.Accumulator(2)
    assert timer.stop() >= 0
    assert timer.sum() == timer.cumsum()[-1] == timer.avg()
    sums.add(1, 2.0)
    sums.add(1, 3)
    assert [sums[0], sums[1]] == [2.0, 5.0]
    sums.reset()
    assert sums[0] == 0.0
