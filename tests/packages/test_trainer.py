"""Both sides' training loops: conventions, accumulation, clipping, validation and counters."""

from functools import partial
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


class Fixed:
    """A data set of given batches."""

    def __init__(self, train, val=None):
        self.batches = train, val

    def train_dataloader(self):
        """Return the batches to train on."""
        return self.batches[0]

    def val_dataloader(self):
        """Return the batches to validate on, or None."""
        return self.batches[1]


def batch(m, dtype=torch.float64, device="cpu", seed=0):
    """Return X (m, 3) and y (m, 1)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(m, 4, generator=generator, dtype=torch.float64).to(device, dtype)
    return drawn[:, :3], drawn[:, 3:]


def model_of(side, dtype=torch.float64, device="cpu", lr=0.1, **settings):
    """Return the side's model with all parameters at one half."""
    model = side.LinearRegression(3, lr, **settings).to(device=device, dtype=dtype)
    with torch.no_grad():
        for param in model.parameters():
            param.fill_(0.5)
    return model


def values(model):
    """Return a copy of all parameters, flat."""
    return torch.cat([param.detach().reshape(-1) for param in model.parameters()]).clone()


def one_step(side, data, model=None, **settings):
    """Return the parameters after one batch."""
    model = model or model_of(side)
    trainer = side.Trainer(1, **settings)
    trainer.prepare(model, Fixed([data]))
    trainer.fit_batch(data)
    return values(model)


def written_out(X, y, *, lr, divide_by):
    """Return the parameters after one step from one half, by the closed form of the gradient."""
    p = torch.full((4,), 0.5, dtype=torch.float64)
    ones = torch.cat([X, torch.ones_like(X[:, :1])], dim=1)  # (m, 4)
    error = ones @ p - y.reshape(-1)  # (m,)
    return p - lr * ones.T @ error / divide_by


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("flat", [False, True])
def test_train_batch_is_the_closed_form(side, device, dtype, flat):
    """One functional step: ½, gradient of the sum, divided by the batch's own length."""
    X, y = batch(7, dtype, device)
    w = torch.full((3, 1), 0.5, dtype=dtype, device=device, requires_grad=True)
    b = torch.full((1,), 0.5, dtype=dtype, device=device, requires_grad=True)
    assert side.train_batch(X, y[:, 0] if flat else y, w, b, 0.1) is None
    expected = written_out(*batch(7), lr=0.1, divide_by=7).to(device, dtype)
    torch.testing.assert_close(torch.cat([w[:, 0], b]).detach(), expected, **loose(dtype))
    assert w.grad is None
    assert b.grad is None


def test_train_batch_control():
    """Control: dividing by another length, or forgetting the ½, gives another step."""
    X, y = batch(7)
    right = written_out(X, y, lr=0.1, divide_by=7)
    assert not torch.allclose(right, written_out(X, y, lr=0.1, divide_by=10))
    assert not torch.allclose(right, written_out(X, y, lr=0.2, divide_by=7))


def test_train_batch_calls_the_pieces_in_place(side):
    """net(X, w, b), loss(y_hat, y) and update([w, b], lr, m) are called by position, in order."""
    called: list[Any] = []

    def spy(name, piece):
        def call(*args):
            called.append((name, len(args)))
            if name == "update":
                assert isinstance(args[0], list)
                assert args[1:] == (0.1, 7)
            return piece(*args)

        return call

    w, b = side.init_params(3)
    X, y = batch(7, torch.float32)
    side.train_batch(
        X,
        y,
        w,
        b,
        0.1,
        net=spy("net", side.linreg),
        loss=spy("loss", side.squared_loss),
        update=spy("update", side.sgd),
    )
    assert called == [("net", 3), ("loss", 2), ("update", 3)]


@pytest.mark.parametrize(("n", "size"), [(20, 5), (23, 5), (3, 5)])
def test_train_visits_every_epoch_of_batches(side, n, size):
    """Train is train_batch over every batch, short ones too, and returns w and b themselves."""
    X, y = batch(n)
    seen = []

    def batches(batch_size, features, labels):
        served = list(zip(features.split(batch_size), labels.split(batch_size), strict=True))
        seen.append(len(served))
        return served

    w, b = (param.detach().double().requires_grad_() for param in side.init_params(3))
    v, c = (param.detach().clone().requires_grad_() for param in (w, b))
    result = side.train(X, y, w, b, 0.1, 3, size, batches=batches)
    for _ in range(3):
        for piece in zip(X.split(size), y.split(size), strict=True):
            side.train_batch(*piece, v, c, 0.1)
    assert result[0] is w
    assert result[1] is b
    assert torch.equal(w, v)
    assert torch.equal(b, c)
    assert seen == [-(-n // size)] * 3


def test_train_finds_the_truth(side):
    """The book's run: three epochs end within 0.01 of w and b."""
    torch.manual_seed(0)
    true_w = torch.tensor([2.0, -3.4])
    X, y = side.synthetic_data(true_w, 4.2, 1000)
    w, b = side.train(X, y, *side.init_params(2), 0.03, 3, 10)
    torch.testing.assert_close(w[:, 0].detach(), true_w, rtol=0, atol=0.01)
    assert abs(b.item() - 4.2) < 0.01


def test_trainer_finds_the_truth(side):
    """The object form learns the same line, and its validation loss ends near the noise."""
    torch.manual_seed(0)
    data = side.SyntheticRegressionData(torch.tensor([2.0, -3.4]), 4.2, batch_size=10)
    trainer = side.Trainer(3)
    model = side.LinearRegression(2, lr=0.03)
    trainer.fit(model, data)
    torch.testing.assert_close(values(model), torch.tensor([2.0, -3.4, 4.2]), rtol=0, atol=0.01)
    assert len(trainer.val_losses) == 3
    assert 4e-5 < trainer.val_losses[-1] < 7e-5
    assert (trainer.epoch, trainer.train_batch_idx, trainer.val_batch_idx) == (3, 300, 300)


def test_functional_and_object_forms_agree(side):
    """The sum divided by the length is the mean: both conventions take equal steps."""
    X, y = batch(7)
    torch.testing.assert_close(
        one_step(side, (X, y)), written_out(X, y, lr=0.1, divide_by=7)
    )  # half=True
    torch.testing.assert_close(
        one_step(side, (X, y), model_of(side, half=False)), written_out(X, y, lr=0.2, divide_by=7)
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_sides_train_alike(device, dtype):
    """From equal parameters on equal generators, both sides stay within rounding of each other."""
    ends = []
    X, y = batch(53, dtype, device)
    for side in (scratch, builtin):
        loader = side.BatchLoader(X, y, 10, generator=torch.Generator().manual_seed(0))
        model = model_of(side, dtype, device)
        side.Trainer(3).fit(model, Fixed(loader))
        ends.append(values(model))
    torch.testing.assert_close(*ends, **loose(dtype))


@pytest.mark.parametrize("micro", [1, 2, 3, 4, 6, 7, 8])
@pytest.mark.parametrize("flat", [False, True])
def test_uneven_accumulation_equals_full_batch(side, micro, flat):
    """Pieces weighted by their share of the rows give the step of the whole batch."""
    X, y = batch(7)
    data = (X, y[:, 0] if flat else y)
    torch.testing.assert_close(one_step(side, data, micro_batch_size=micro), one_step(side, data))


def test_uneven_accumulation_control():
    """Control: equal weights for the pieces 3, 3 and 1 give another gradient."""
    X, y = batch(7)
    model = model_of(scratch)
    for piece in zip(X.split(3), y.split(3), strict=True):
        (model.training_step(piece) / 3).backward()
    unweighted = torch.cat([param.grad.reshape(-1) for param in model.parameters()])
    right = one_step(scratch, (X, y), micro_batch_size=3)
    assert not torch.allclose(0.5 - 0.1 * unweighted, right)


@pytest.mark.parametrize("micro", [None, 3])
def test_clipping_is_clip_grad_norm(side, micro):
    """A clipped step is that of clip_grad_norm_, on the accumulated gradient; unclipped differs."""
    X, y = batch(7)
    reference = model_of(builtin)
    reference.training_step((X, y)).backward()
    assert nn.utils.clip_grad_norm_(reference.parameters(), 0.1) > 0.1
    torch.optim.SGD(reference.parameters(), lr=0.1).step()
    clipped = one_step(side, (X, y), gradient_clip_val=0.1, micro_batch_size=micro)
    torch.testing.assert_close(clipped, values(reference))
    assert not torch.allclose(clipped, one_step(side, (X, y)))
    torch.testing.assert_close(
        one_step(side, (X, y), gradient_clip_val=1e6), one_step(side, (X, y))
    )


@pytest.mark.parametrize("micro", [None, 3])
def test_a_clip_of_ones_own_is_called(side, micro):
    """Once a batch, on the model's own parameters, with the whole batch's gradients in place."""
    X, y = batch(7)
    model = model_of(side)
    calls: list[Any] = []

    def halve(parameters, max_norm):
        held = list(parameters)
        calls.append((held, max_norm))
        for param in held:
            param.grad /= 2

    settings = {"micro_batch_size": micro, "gradient_clip_val": 0.1, "clip": halve}
    stepped = one_step(side, (X, y), model, **settings)
    torch.testing.assert_close(stepped, written_out(X, y, lr=0.05, divide_by=7))
    ((held, max_norm),) = calls
    assert max_norm == 0.1
    assert all(ours is theirs for ours, theirs in zip(held, model.parameters(), strict=True))


@pytest.mark.parametrize(("value", "times"), [(0.0, 0), (1e6, 2)])
def test_clip_is_called_only_where_a_value_is_set(side, value, times):
    """Every batch with a value, however large; never without one."""
    calls: list[Any] = []
    trainer = side.Trainer(
        1, gradient_clip_val=value, clip=noting(calls, side.clip_gradients, lambda: "clip")
    )
    trainer.fit(model_of(side), Fixed([batch(3), batch(2)]))
    assert calls == ["clip"] * times


def test_fit_batch_starts_from_fresh_gradients(side):
    """Gradients left by someone else do not enter the step."""
    X, y = batch(7)
    model = model_of(side)
    (1000 * model.training_step((X, y))).backward()
    assert torch.equal(one_step(side, (X, y), model), one_step(side, (X, y)))


def test_validation_weighs_by_length_and_changes_nothing(side):
    """The mean is over examples, not over batches; no gradients, no steps, eval mode."""
    val = [batch(5, seed=1), batch(2, seed=2)]
    model = model_of(side)
    modes: list[Any] = []
    step = model.validation_step
    model.validation_step = noting(modes, step, lambda: (model.training, torch.is_grad_enabled()))
    trainer = side.Trainer(1)
    trainer.prepare(model, Fixed([], val))
    before = values(model)
    trainer.fit_epoch()
    assert torch.equal(values(model), before)
    assert modes == [(False, False)] * 2
    X, y = (torch.cat(part) for part in zip(*val, strict=True))
    assert trainer.val_losses == [pytest.approx(step((X, y)).item())]
    plain = sum(step(data).item() for data in val) / 2
    assert trainer.val_losses != [pytest.approx(plain)]  # control: the mean of the two means


def test_training_mode_returns_after_validation(side):
    """Every epoch trains in training mode, though the one before ended in validation."""
    model = model_of(side)
    modes: list[Any] = []
    step = model.training_step
    model.training_step = noting(modes, step, lambda: model.training)
    side.Trainer(2).fit(model, Fixed([batch(3)], [batch(3)]))
    assert modes == [True, True]


def test_no_validation_data(side):
    """Without batches to validate on nothing is recorded; with an empty loader, NaN."""
    trainer = side.Trainer(2)
    trainer.fit(model_of(side), Fixed([batch(3)]))
    assert trainer.val_losses == []
    trainer.fit(model_of(side), Fixed([batch(3)], []))
    assert [loss != loss for loss in trainer.val_losses] == [True, True]  # noqa: PLR0124 - NaN


def test_prepare_counts_from_zero(side):
    """A second fit starts its counters anew; without epochs nothing moves."""
    trainer = side.Trainer(2)
    model = model_of(side)
    for _ in range(2):
        trainer.fit(model, Fixed([batch(3), batch(2)], [batch(3)]))
        assert (trainer.epoch, trainer.train_batch_idx, trainer.val_batch_idx) == (2, 4, 2)
        assert len(trainer.val_losses) == 2
    before = values(model)
    side.Trainer(0).fit(model, Fixed([batch(3)]))
    assert torch.equal(values(model), before)


def test_observers_see_every_call(side):
    """Forward, loss, zero_grad and step, replaced on the instances, are what runs."""
    model = model_of(side)
    trainer = side.Trainer(1)
    trainer.prepare(model, Fixed([batch(3)]))
    called: list[Any] = []

    for owner, name in [
        (model, "forward"),
        (model, "loss"),
        (trainer.optim, "zero_grad"),
        (trainer.optim, "step"),
    ]:
        setattr(owner, name, noting(called, getattr(owner, name), partial(str, name)))
    trainer.fit_epoch()
    assert called == ["zero_grad", "forward", "loss", "step"]


@pytest.mark.parametrize("micro", [0, -1])
def test_micro_batch_below_one_is_refused(side, micro):
    """A piece holds at least one row."""
    with pytest.raises(ValueError, match="micro_batch_size must be at least 1"):
        side.Trainer(1, micro_batch_size=micro)
