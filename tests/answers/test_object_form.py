"""The object form: each part judged for itself."""

import pytest
import torch
from torch import nn

from harness.answers import object_form
from harness.answers.component import made
from harness.engine.components.contract import BY_ROLE
from harness.pairs.linear import SCRATCH


class Model:
    """Right, but that its bias needs no gradient."""

    def __init__(self, num_inputs, lr, sigma=0.01):
        self.lr = lr
        self.w = torch.normal(0, sigma, (num_inputs, 1), requires_grad=True)
        self.b = torch.zeros(1)

    def forward(self, X):
        """Predict."""
        return X @ self.w + self.b

    def loss(self, y_hat, y):
        """The loss."""
        return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2


class Flat(Model):
    """w and predictions are flat, and the loss takes them."""

    def __init__(self, num_inputs, lr):
        super().__init__(num_inputs, lr)
        self.w = torch.zeros(num_inputs, requires_grad=True)

    def loss(self, y_hat, y):
        """The loss."""
        return ((y_hat - y.reshape(-1)) ** 2).mean() / 2


class FlatBroadcast(Flat):
    """Its loss broadcasts (m,) against (m, 1)."""

    def loss(self, y_hat, y):
        """The loss."""
        return ((y_hat - y) ** 2).mean() / 2


class Module(nn.Module):
    """Parameters that are registered."""

    def __init__(self, num_inputs, lr):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_inputs, 1))
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, X):
        """Predict."""
        return X @ self.weight + self.bias


class SGD:
    """Asks for a batch size, and clears behind autograd's back."""

    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self, batch_size):
        """Update."""
        for p in self.params:
            p.data -= self.lr * p.grad
            p.grad.data.zero_()


def piece(component, function):
    return made(BY_ROLE[component], "f", function, 1, stub=False, constants={}, reads=set())


def test_parameters_weight_first():
    assert list(object_form.parameters(Model(3, 0.1))) == ["w", "b"]
    assert list(object_form.parameters(Module(3, 0.1))) == ["weight", "bias"]
    with pytest.raises(TypeError, match="no weight and bias"):
        object_form.parameters(SGD([], 0.1))


def test_parts_replace_what_they_are():
    base, f = SCRATCH["object"], piece("LinearRegressionScratch", Model)
    assert object_form.recipe(f, "loss", base, flat=False).model is base.model
    assert object_form.recipe(f, "forward", base, flat=False).loss is base.loss
    whole = object_form.recipe(f, "", base, flat=False)
    assert whole.init is not base.init
    assert whole.model is not base.model


def test_the_forward_pass_gets_right_leaves_and_the_constructor_its_own():
    f = piece("LinearRegressionScratch", Model)
    assert all(leaf.requires_grad for leaf in object_form.OwnModel(f, 2, flat=False).parameters())
    assert [p.requires_grad for p in object_form.drawn(f, 2)] == [True, False]


def test_modules_keep_their_registered_parameters():
    model = object_form.OwnModel(piece("LinearRegressionScratch", Module), 2, flat=False)
    with torch.no_grad():
        model.leaves[0].fill_(2.0)
    assert model.forward(torch.ones(3, 2)).flatten().tolist() == [4.0] * 3


@pytest.mark.parametrize(("cls", "flat"), [(Model, False), (Flat, True), (FlatBroadcast, False)])
def test_flat_only_where_the_own_loss_fits(cls, flat):
    found = object_form.predicts_flat(piece("LinearRegressionScratch", cls), flat_labels=False)
    assert found is flat


def test_flat_labels_fit_a_flat_loss():
    f = piece("LinearRegressionScratch", FlatBroadcast)
    assert object_form.predicts_flat(f, flat_labels=True)


def test_the_update_does_not_touch_the_gradients_that_are_held():
    leaf = torch.zeros(1, requires_grad=True)
    leaf.grad = held = torch.ones(1)
    update = object_form.OwnUpdate(piece("SGD", SGD), [leaf], 0.5)
    update.step(1)
    assert leaf.item() == -0.5
    assert held.item() == 1.0
    update.zero_grad()
    assert leaf.grad is None
