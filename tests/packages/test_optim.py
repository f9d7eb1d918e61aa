"""Both sides' updates and clipping against torch's own, bit for bit where they can be."""

from typing import Any

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


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "eps": 1e-3}),
    ("Adagrad", {"initial_accumulator_value": 0.1}),
    ("RMSprop", {}),
    ("RMSprop", {"alpha": 0.9, "eps": 1e-3, "weight_decay": 0.1, "momentum": 0.9}),
    ("RMSprop", {"centered": True, "momentum": 0.5}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.95, "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.01, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("AdamW", {}),
    ("AdamW", {"lr": 0.01, "weight_decay": 0.5}),
]


def walk(optimizer, moved, steps=60):
    """Step through gradients drawn from a seed; every third step leaves out the last parameter."""
    generator = torch.Generator().manual_seed(1)
    for step in range(steps):
        for i, param in enumerate(moved):
            gradient = torch.randn(param.shape, generator=generator).to(param) + 0.5
            param.grad = None if i and step % 3 == 1 else gradient
        optimizer.step()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_every_optimizer_walks_as_torch(side, name, settings, dtype):
    """The steps of torch's plain loop to the bit, where gradients are None at times as well."""
    ours, theirs, others = params(dtype), params(dtype), params(dtype)
    walk(getattr(side, name)(ours, **settings), ours)
    walk(getattr(torch.optim, name)(theirs, foreach=False, **settings), theirs)
    lr = settings.get("lr", 1e-3) * 1.1
    walk(getattr(side, name)(others, **settings | {"lr": lr}), others)
    for our, their, other in zip(ours, theirs, others, strict=True):
        assert torch.equal(our, their)
        assert our.isfinite().all()
        assert not torch.equal(our, other)  # control


@pytest.mark.cuda
@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_every_optimizer_walks_as_torch_on_cuda(side, name, settings):
    """There torch takes many tensors at once, and rounds elsewhere."""
    ours, theirs = params(device="cuda"), params(device="cuda")
    walk(getattr(side, name)(ours, **settings), ours)
    walk(getattr(torch.optim, name)(theirs, **settings), theirs)
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("name", ["Adagrad", "RMSprop", "Adadelta", "Adam", "AdamW"])
def test_a_zero_gradient_moves_nothing(side, name):
    """0 / (0 + eps) is 0, in the first step too; AdamW decays all the same."""
    ours = params(scale=0.0)
    before = [param.detach().clone() for param in ours]
    optimizer = getattr(side, name)(ours, lr=0.5)
    optimizer.step()
    kept = [torch.equal(param, old) for param, old in zip(ours, before, strict=True)]
    assert kept == [name != "AdamW"] * 2
    walk(optimizer, ours, steps=1)
    assert not torch.equal(ours[0], before[0])  # control


@pytest.mark.parametrize(
    ("name", "settings", "match"),
    [
        ("SGD", {"momentum": -0.1}, r"-0\.1"),
        ("SGD", {"weight_decay": -0.2}, r"-0\.2"),
        ("SGD", {"nesterov": True}, "(?i)nesterov"),
        ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "(?i)nesterov"),
        ("Adagrad", {"lr_decay": -0.1}, r"-0\.1"),
        ("Adagrad", {"initial_accumulator_value": -0.1}, r"-0\.1"),
        ("RMSprop", {"alpha": -0.1}, r"-0\.1"),
        ("RMSprop", {"momentum": -0.1}, r"-0\.1"),
        ("Adadelta", {"rho": 1.1}, r"1\.1"),
        ("Adam", {"betas": (0.9, 1.0)}, r"1\.0"),
        ("Adam", {"betas": (-0.1, 0.9)}, r"-0\.1"),
        ("Adam", {"eps": -1e-8}, "-1e-08"),
        ("AdamW", {"weight_decay": -0.1}, r"-0\.1"),
    ],
    ids=str,
)
def test_optimizers_refuse_what_torch_refuses(side, name, settings, match):
    """ValueError with the value in it; the same optimizer without the setting is made (control)."""
    make = getattr(side, name)
    make(params(), lr=0.1)
    with pytest.raises(ValueError, match=match):
        make(params(), lr=0.1, **settings)


def test_state_stands_in_lists_by_parameter():
    """What scratch remembers is there to be read: one entry per parameter, of its shape."""
    ours = params()
    adam, heavy = scratch.Adam(ours), scratch.SGD(ours, lr=0.1, momentum=0.9)
    assert heavy.velocities == [None, None]
    for optimizer in (adam, heavy):
        optimizer.step()
    assert [average.shape for average in adam.averages] == [param.shape for param in ours]
    assert adam.steps == [1, 1]
    torch.testing.assert_close(adam.averages[0], 0.1 * ours[0].grad)
    for velocity, param in zip(heavy.velocities, ours, strict=True):
        assert velocity is not None
        assert torch.equal(velocity, param.grad)
    assert not any(average.requires_grad for average in adam.square_averages)


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
