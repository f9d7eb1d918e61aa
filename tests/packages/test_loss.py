"""Both sides' losses against the formula, with labels of either shape, and their gradients."""

import pytest
import torch
from torch import nn

import builtin
import scratch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@pytest.fixture(params=[scratch, builtin], ids=lambda package: package.__name__)
def side(request):
    """One of the two packages."""
    return request.param


def batch(m, dtype=torch.float64, device="cpu"):
    """Return predictions (m, 1), requiring gradients, and labels (m, 1)."""
    generator = torch.Generator().manual_seed(0)
    y_hat, y = torch.randn(2, m, 1, generator=generator, dtype=torch.float64).to(device, dtype)
    return y_hat.requires_grad_(), y


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("m", [1, 5])
def test_squared_loss_is_half_the_square_per_example(side, device, dtype, flat, m):
    """½(ŷ-y)² in the shape and dtype of y_hat, for labels (m, 1) and (m,)."""
    y_hat, y = batch(m, dtype, device)
    loss = side.squared_loss(y_hat, y[:, 0] if flat else y)
    assert loss.shape == (m, 1)
    assert loss.dtype == dtype
    assert loss.device.type == device
    torch.testing.assert_close(loss, 0.5 * (y_hat - y) * (y_hat - y))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("flat", [False, True])
def test_mse_reduces_as_torch(side, device, dtype, reduction, flat):
    """MSE is nn.MSELoss on labels of the predictions' shape, in value and gradient."""
    y_hat, y = batch(5, dtype, device)
    loss = side.MSE(reduction)(y_hat, y[:, 0] if flat else y)
    expected = nn.MSELoss(reduction=reduction)(y_hat, y)
    torch.testing.assert_close(loss, expected)
    upstream = torch.linspace(-1, 2, loss.numel()).to(loss).reshape(loss.shape)
    torch.testing.assert_close(
        torch.autograd.grad(loss, y_hat, upstream), torch.autograd.grad(expected, y_hat, upstream)
    )


def test_mse_means_by_default(side):
    """Without an argument, the mean: 4 for errors of 2."""
    assert side.MSE()(torch.full((3, 1), 2.0), torch.zeros(3)).item() == 4


@pytest.mark.parametrize("flat", [False, True])
def test_gradients_follow_nonuniform_upstream(side, flat):
    """A weight for each example reaches that example's gradient: 2e·g, and e·g with the ½."""
    y_hat, y = batch(4)
    upstream = torch.tensor([[1.0], [-2.0], [0.0], [0.5]], dtype=torch.float64)
    error = (y_hat - y).detach()
    target = y[:, 0] if flat else y
    (full,) = torch.autograd.grad(side.MSE("none")(y_hat, target), y_hat, upstream)
    (half,) = torch.autograd.grad(side.squared_loss(y_hat, target), y_hat, upstream)
    torch.testing.assert_close(full, 2 * error * upstream)
    torch.testing.assert_close(half, error * upstream)
    assert not torch.allclose(full, 2 * error)  # control: a uniform upstream would be this


def test_losses_pass_gradcheck(side):
    """First and second derivatives hold against finite differences."""
    y_hat, y = batch(3)
    for loss in (side.squared_loss, side.MSE(), side.MSE("sum"), side.MSE("none")):
        assert torch.autograd.gradcheck(loss, (y_hat, y))
        assert torch.autograd.gradgradcheck(loss, (y_hat, y))


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_flat_labels_control():
    """Control: bare nn.MSELoss and a bare difference do broadcast (m, 1) against (m,)."""
    y_hat, y = batch(3)
    bare = nn.MSELoss(reduction="none")(y_hat, y[:, 0])
    assert bare.shape == (3, 3)
    assert not torch.allclose(bare.mean(), scratch.MSE()(y_hat, y[:, 0]))


@pytest.mark.parametrize("wrong", [(4, 1), (2,), (1,), (3, 3), ()])
def test_unequal_numbers_of_elements_are_refused(side, wrong):
    """Labels that do not fit raise one sentence with both shapes, rather than broadcast."""
    for loss in (side.squared_loss, side.MSE(), side.MSE("none")):
        with pytest.raises(ValueError, match=r"as many elements as y_hat.*\(3, 1\)"):
            loss(torch.zeros(3, 1), torch.zeros(wrong))


@pytest.mark.parametrize("wrong", ["average", "", None, "Mean"])
def test_unknown_reduction_is_refused(side, wrong):
    """A reduction that does not exist raises when the loss is made."""
    with pytest.raises(ValueError, match="reduction must be"):
        side.MSE(wrong)
