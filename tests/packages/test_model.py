"""Both sides' models: initial values, predictions, loss, and moving between devices and dtypes."""

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

import builtin
import scratch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@pytest.fixture(params=[scratch, builtin], ids=lambda package: package.__name__)
def side(request):
    """One of the two packages."""
    return request.param


def noting(notes, function, note):
    """Return the function, made to append note() to notes at every call."""

    def noted(*args):
        notes.append(note())
        return function(*args)

    return noted


def loose(dtype):
    """Return wider tolerances for bfloat16, where operations are rounded in other places."""
    wide: dict[str, Any] = {"rtol": 0.02, "atol": 0.02}
    return wide if dtype == torch.bfloat16 else {}


def test_init_params_are_small_leaves(side):
    """Weights (d, 1) are drawn with the asked deviation, b (1,) is zero, both are leaves."""
    w, b = side.init_params(4000, sigma=0.1)
    assert (w.shape, b.shape) == ((4000, 1), (1,))
    assert 0.09 < w.std() < 0.11
    assert abs(w.mean()) < 0.01
    assert b.item() == 0
    assert all(param.is_leaf and param.requires_grad for param in (w, b))


def test_init_params_draw_alike():
    """Equal seeds give both sides equal parameters; another seed (control) does not."""
    torch.manual_seed(0)
    w, _ = scratch.init_params(3)
    torch.manual_seed(0)
    assert torch.equal(w, builtin.init_params(3)[0])
    assert not torch.equal(w, builtin.init_params(3)[0])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "d"), [(1, 1), (5, 1), (1, 3), (5, 3)])
def test_linreg_is_linear(side, device, dtype, m, d):
    """Predictions and gradients are F.linear's with the weight transposed, shape (m, 1)."""
    X = torch.randn(m, d, device=device).to(dtype)
    w = torch.randn(d, 1, device=device).to(dtype).requires_grad_()
    b = torch.randn(1, device=device).to(dtype).requires_grad_()
    y_hat = side.linreg(X, w, b)
    assert y_hat.shape == (m, 1)
    assert y_hat.dtype == dtype
    torch.testing.assert_close(y_hat, F.linear(X, w.T, b), **loose(dtype))
    gradients = torch.autograd.grad(y_hat.sum(), (w, b))
    torch.testing.assert_close(gradients[0], X.sum(0).reshape(d, 1), **loose(dtype))
    assert gradients[1].item() == m


def test_model_starts_near_zero(side):
    """The stated initial values are really there, after a forward too (the book's are not)."""
    model = side.LinearRegression(4000, lr=0.03, sigma=0.1)
    model(torch.zeros(2, 4000))
    weight, bias = model.parameters()
    assert 0.09 < weight.std() < 0.11
    assert bias.tolist() == [0]


def test_lazy_initialisation_control():
    """Control: the book's nn.LazyLinear draws its defaults over the filled values."""
    net = nn.LazyLinear(1)
    net.weight.data.normal_(0, 0.1)
    net.bias.data.fill_(0)
    net(torch.zeros(2, 4000))
    assert net.bias.item() != 0
    assert not 0.09 < net.weight.std() < 0.11


def test_calling_is_forward(side):
    """An instance is called like its forward, and (m, d) gives (m, 1)."""
    model = side.LinearRegression(3, lr=0.03)
    X = torch.randn(5, 3)
    assert model(X).shape == (5, 1)
    assert torch.equal(model(X), model.forward(X))


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("half", [False, True])
def test_loss_is_mean_square_with_or_without_half(side, half, flat):
    """Half the mean square by the book, the mean square without, for labels of either shape."""
    model = side.LinearRegression(3, lr=0.03, half=half)
    y_hat, y = torch.randn(5, 1), torch.randn(5, 1)
    loss = model.loss(y_hat, y[:, 0] if flat else y)
    assert loss.shape == ()
    torch.testing.assert_close(loss, nn.MSELoss()(y_hat, y) * (0.5 if half else 1.0))


def test_loss_refuses_labels_that_do_not_fit(side):
    """The model's loss raises what the loss raises."""
    with pytest.raises(ValueError, match="as many elements"):
        side.LinearRegression(3, lr=0.03).loss(torch.zeros(3, 1), torch.zeros(4))


@pytest.mark.parametrize("step", ["training_step", "validation_step"])
def test_steps_go_through_forward_and_loss(side, step):
    """What is set on the instance is what runs: an observer can stand in front of both."""
    model = side.LinearRegression(3, lr=0.03)
    X, y = torch.randn(5, 3), torch.randn(5, 1)
    called: list[Any] = []
    forward, loss = model.forward, model.loss
    model.forward = noting(called, forward, lambda: "forward")
    model.loss = noting(called, loss, lambda: "loss")
    assert torch.equal(getattr(model, step)((X, y)), loss(forward(X), y))
    assert called == ["forward", "loss"]


def test_optimizer_moves_the_parameters(side):
    """configure_optimizers returns the side's own SGD with the model's lr."""
    model = side.LinearRegression(2, lr=0.5)
    optimizer = model.configure_optimizers()
    assert isinstance(optimizer, side.SGD)
    before = [param.detach().clone() for param in model.parameters()]
    model.training_step((torch.ones(4, 2), torch.ones(4, 1))).backward()
    optimizer.step()
    for old, param in zip(before, model.parameters(), strict=True):
        torch.testing.assert_close(param.detach(), old - 0.5 * param.grad)


def test_mode_switches(side):
    """Train and eval set the flag and return the model."""
    model = side.LinearRegression(2, lr=0.5)
    assert model.training
    assert model.eval() is model
    assert not model.training
    assert model.train() is model
    assert model.training
    assert not model.train(mode=False).training


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_moved_model_trains(side, device, dtype):
    """`to` keeps the values, changes device and dtype, and leaves leaves that can be trained."""
    model = side.LinearRegression(3, lr=0.03)
    before = [param.detach().clone() for param in model.parameters()]
    assert model.to(device=device, dtype=dtype) is model
    for old, param in zip(before, model.parameters(), strict=True):
        assert torch.equal(param.detach(), old.to(device, dtype))
        assert param.is_leaf
        assert param.requires_grad
    X, y = torch.ones(4, 3, dtype=dtype, device=device), torch.ones(4, dtype=dtype, device=device)
    model.training_step((X, y)).backward()
    model.configure_optimizers().step()
    assert all(param.grad is not None for param in model.parameters())


def test_moving_keeps_what_is_not_named(side):
    """A dtype alone leaves the device, a device alone leaves the dtype."""
    model = side.LinearRegression(3, lr=0.03).to(dtype=torch.float64).to(device="cpu")
    assert {param.dtype for param in model.parameters()} == {torch.float64}


def test_half_of_nn_module_still_works():
    """The setting called half does not hide nn.Module.half, which casts to float16."""
    model = builtin.LinearRegression(2, lr=0.1, half=False).half()
    assert {param.dtype for param in model.parameters()} == {torch.float16}


@pytest.mark.parametrize("dtype", DTYPES)
def test_relu(side, dtype):
    """The larger of X and 0; at 0 the gradient is 0; NaN stays NaN, and so does infinity."""
    X = torch.tensor([[-2.0, -0.0], [0.0, 3.0]], dtype=dtype, requires_grad=True)
    side.relu(X).sum().backward()
    assert side.relu(X).tolist() == [[0.0, 0.0], [0.0, 3.0]]
    assert side.relu(X).dtype == dtype
    assert X.grad is not None
    assert X.grad.tolist() == [[0.0, 0.0], [0.0, 1.0]]
    odd = side.relu(torch.tensor([float("nan"), float("inf"), -float("inf")]))
    assert odd[0].isnan()
    assert odd[1:].tolist() == [float("inf"), 0.0]


def weights_alike(by_hand, built_in):
    """Give the built-in model the weights of the one by hand, the other way round."""
    with torch.no_grad():
        for ours, theirs in zip(by_hand.parameters(), built_in.parameters(), strict=True):
            theirs.copy_(ours.t())


@pytest.mark.parametrize(("d", "h"), [(1, 1), (3, 1), (2, 4), (4, 4)])
@pytest.mark.parametrize("half", [True, False])
def test_mlps_agree_where_their_weights_do(d, h, half):
    """Predictions, loss and gradients, transposed; with d = h a plain copy is wrong (control)."""
    ours = scratch.MLP(d, h, lr=0.1, sigma=1.0, half=half)
    theirs = builtin.MLP(d, h, lr=0.1, half=half)
    weights_alike(ours, theirs)
    batch = torch.randn(6, d), torch.randn(6)
    torch.testing.assert_close(ours(batch[0]), theirs(batch[0]))
    losses = [model.training_step(batch) for model in (ours, theirs)]
    torch.testing.assert_close(*losses)
    for loss in losses:
        loss.backward()
    for our, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert our.grad is not None
        torch.testing.assert_close(our.grad.t(), their.grad)
    if d == h > 1:
        next(theirs.parameters()).data = ours.W1.detach().clone()
        assert not torch.allclose(ours(batch[0]), theirs(batch[0]))


def test_mlp_by_hand_is_the_formula():
    """One example worked out: a unit that is off, and one that is on."""
    model = scratch.MLP(1, 2, lr=0.1)
    with torch.no_grad():
        for param, value in zip(
            model.parameters(), ([[2.0, -3.0]], [1.0, 1.0], [[5.0], [7.0]], [0.5]), strict=True
        ):
            param.copy_(torch.tensor(value))
    assert model(torch.tensor([[1.0], [-1.0]])).tolist() == [[15.5], [28.5]]


def test_mlp_starts_as_stated(side):
    """Both weights ~ N(0, sigma²), both biases 0, in the order of the layers."""
    model = side.MLP(40, 50, lr=0.1, sigma=0.1)
    W1, b1, W2, b2 = model.parameters()
    assert sorted(W1.shape) == [40, 50]
    assert 0.09 < W1.std() < 0.11
    assert 0.06 < W2.std() < 0.14
    assert (b1.shape, b2.shape) == ((50,), (1,))
    assert not b1.any()
    assert not b2.any()


def test_moved_mlp_trains(side):
    """`to` moves every parameter, and a step changes every one of them."""
    model = side.MLP(3, 4, lr=0.5, sigma=1.0).to(dtype=torch.float64)
    before = [param.detach().clone() for param in model.parameters()]
    X = torch.randn(20, 3, dtype=torch.float64)
    model.training_step((X, X.sum(1))).backward()
    model.configure_optimizers().step()
    assert {param.dtype for param in model.parameters()} == {torch.float64}
    assert not any(map(torch.equal, before, model.parameters()))
