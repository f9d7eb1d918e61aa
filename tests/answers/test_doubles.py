"""What a loop of the object form gets: every call reaches the conductor."""

from typing import Any

import torch

from harness.answers import doubles


class Conductor:
    """Notes what it is asked."""

    def __init__(self):
        self.calls = []

    def predict(self, X, pair):
        """Predict."""
        self.calls.append(("predict", pair))
        return X @ pair[0] + pair[1]

    def computed_loss(self, y_hat, y):
        """The loss."""
        self.calls.append(("loss", len(y)))
        return (y_hat - y).square().mean()

    def step(self, pair):
        """Update."""
        self.calls.append(("step", pair))


def test_a_step_of_the_trainer():
    conductor = Conductor()
    pair = (torch.zeros(2, 1, requires_grad=True), torch.zeros(1, requires_grad=True))
    model: Any = doubles.Model(conductor, ["w", "bias"], 0.1, pair)
    optimizer = model.train().configure_optimizers()
    model.training_step((torch.ones(3, 2), torch.ones(3, 1))).backward()
    assert model.w.grad is not None
    optimizer.step(3)
    optimizer.zero_grad()
    assert (model.w.grad, model.bias.grad) == (None, None)
    assert conductor.calls == [("predict", pair), ("loss", 3), ("step", pair)]
    assert list(model.parameters()) == list(pair)
    assert model.training
    assert not model.eval().training


def test_data_has_nothing_to_validate_on():
    data = doubles.DataModule(lambda: [1, 2], 10, (43, 0))
    assert data.train_dataloader() == data.get_dataloader(True) == [1, 2]
    assert data.get_dataloader(False) == []
    assert not hasattr(data, "validation")
    assert (data.num_train, data.batch_size) == (43, 10)
