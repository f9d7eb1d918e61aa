"""Both sides' updates and clipping against torch's own, bit for bit where they can be."""

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


def params(dtype=torch.float32, device="cpu", scale=1.0):
    """Return w (3, 1) and b (1,) with gradients."""
    generator = torch.Generator().manual_seed(0)
    made = []
    for shape in ((3, 1), (1,)):
        value, grad = torch.randn(2, *shape, generator=generator).to(device, dtype)
        made.append(value.requires_grad_())
        made[-1].grad = grad * scale
    return made


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sgd_steps_as_torch(side, device, dtype):
    """The class makes the very step of torch.optim.SGD, in place."""
    ours, theirs = params(dtype, device), params(dtype, device)
    side.SGD(ours, lr=0.03).step()
    torch.optim.SGD(theirs, lr=0.03).step()
    for our, their in zip(ours, theirs, strict=True):
        assert torch.equal(our, their)
        assert our.is_leaf
        assert our.requires_grad


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_functional_sgd_divides_by_batch_size(side, device, dtype):
    """The function divides the summed gradient, and leaves gradients as they are."""
    ours, before = params(dtype, device), params(dtype, device)
    side.sgd(ours, 0.03, 10)
    for our, old in zip(ours, before, strict=True):
        torch.testing.assert_close(our.detach(), old.detach() - 0.03 * old.grad / 10)
        assert torch.equal(our.grad, old.grad)
        assert not torch.allclose(our, old.detach() - 0.03 * old.grad)  # control: not divided


def test_params_may_be_an_iterator(side):
    """A generator of parameters serves for every step, not only the first."""
    ours = params()
    optimizer = side.SGD((param for param in ours), lr=0.5)
    optimizer.step()
    middle = ours[0].detach().clone()
    optimizer.step()
    assert not torch.equal(ours[0], middle)
    side.sgd(iter(ours), 0.5, 1)
    optimizer.zero_grad()
    assert all(param.grad is None for param in ours)


def test_param_without_gradient_is_skipped(side):
    """A parameter that took no part stays where it is; the others move."""
    ours, before = params(), params()
    ours[0].grad = None
    side.SGD(ours, lr=0.5).step()
    side.sgd(ours, 0.5, 2)
    assert torch.equal(ours[0], before[0])
    assert not torch.equal(ours[1], before[1])


def test_zero_grad_sets_none_and_next_backward_is_fresh(side):
    """After zero_grad a backward fills in its own gradient; without it (control) they add up."""
    w = torch.ones(2, requires_grad=True)
    optimizer = side.SGD([w], lr=0.1)

    def gradient_after_backward():
        w.sum().backward()
        return w.grad

    assert torch.equal(gradient_after_backward(), torch.ones(2))
    assert torch.equal(gradient_after_backward(), 2 * torch.ones(2))
    optimizer.zero_grad()
    assert w.grad is None
    assert torch.equal(gradient_after_backward(), torch.ones(2))


def test_sgd_refuses_nonsense(side):
    """No parameters, and a negative learning rate, raise as in torch."""
    with pytest.raises(ValueError, match="empty"):
        side.SGD([], lr=0.1)
    with pytest.raises(ValueError, match=r"-0\.1"):
        side.SGD(params(), lr=-0.1)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.0, 1e-8, 0.1, 1.0, 1e4])
def test_clipping_is_clip_grad_norm(side, device, dtype, scale):
    """The total norm and the clipped gradients are those of clip_grad_norm_, 1e-6 included."""
    ours, theirs = params(dtype, device, scale), params(dtype, device, scale)
    total = side.clip_gradients(iter(ours), 1.0)
    expected = nn.utils.clip_grad_norm_(theirs, 1.0)
    torch.testing.assert_close(total, expected)
    assert total.dtype == dtype
    for our, their in zip(ours, theirs, strict=True):
        torch.testing.assert_close(our.grad, their.grad)


def test_clipping_shrinks_only_what_is_long(side):
    """A long gradient ends just below max_norm; a short one keeps every bit (control)."""
    long, short = params(scale=100.0), params(scale=0.01)
    before = [param.grad.clone() for param in short]
    assert side.clip_gradients(long, 1.0) > 1
    assert 0.999 < torch.cat([param.grad.reshape(-1) for param in long]).norm() <= 1
    side.clip_gradients(short, 1.0)
    assert all(map(torch.equal, before, [param.grad for param in short]))


def test_clipping_uses_the_epsilon_of_torch(side):
    """With a norm near 1e-6 the added 1e-6 halves the result: the formula without it would not."""
    w = torch.zeros(1, requires_grad=True, dtype=torch.float64)
    w.grad = torch.tensor([1e-6], dtype=torch.float64)
    side.clip_gradients([w], 1e-6)
    torch.testing.assert_close(w.grad, torch.tensor([5e-7], dtype=torch.float64))


def test_clipping_skips_missing_gradients(side):
    """Parameters without gradients do not count; with none at all the norm is 0."""
    w, b = params()
    w.grad = None
    assert torch.equal(side.clip_gradients([w, b], 100.0), b.grad.abs()[0])
    b.grad = None
    assert side.clip_gradients([w, b], 1.0).item() == 0
    assert side.clip_gradients(iter([]), 1.0).item() == 0


def test_clipping_spreads_nan_as_torch(side):
    """A gradient that is not a number is not hidden: all become NaN, as with clip_grad_norm_."""
    ours = params()
    ours[1].grad.fill_(float("nan"))
    assert side.clip_gradients(ours, 1.0).isnan()
    assert ours[0].grad.isnan().all()
