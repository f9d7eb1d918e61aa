"""Both sides' softmax regression: far logits, shapes, gradients, refusals, and training."""

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch.nn import functional as F  # noqa: N812 - the name everyone knows

import builtin
import scratch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
PRINTED: dict[str, Any] = {"rtol": 0, "atol": 5e-5}  # as many digits as the book prints
# Logits at which a softmax without the shift gives NaN, infinity or zeros in float32 or float64.
FAR = {
    "one of 1e4": [[1e4, 0.0, -1e4], [0.0, 1.0, 2.0]],
    "all of 88": [[88.0] * 3, [88.0] * 3],
    "all of -104": [[-104.0] * 3, [-104.0] * 3],
    "all of -746": [[-746.0] * 3, [-746.0] * 3],
    "all of 1e4": [[1e4] * 3, [-1e4] * 3],
    "one impossible": [[-math.inf, 0.0, 1.0], [0.0, 1.0, 2.0]],
}


@pytest.fixture(params=[scratch, builtin], ids=lambda package: package.__name__)
def side(request):
    """One of the two packages."""
    return request.param


def loose(dtype):
    """Return a few ulp of the dtype; in bfloat16 torch rounds only once, at the end."""
    ulps = 16 * torch.finfo(dtype).eps
    return {"rtol": ulps, "atol": ulps}


def batch(m=6, q=4, dtype=torch.float64, device="cpu"):
    """Return logits (m, q) that require gradients, and labels (m,)."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(m, q, generator=generator, dtype=torch.float64).to(device, dtype)
    return logits.requires_grad_(), torch.randint(q, (m,), generator=generator).to(device)


def bare_softmax(X):
    """Return what the formula gives without the shift: the control of the tests below."""
    return X.exp() / X.exp().sum(dim=1, keepdim=True)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "q"), [(1, 1), (1, 4), (5, 1), (5, 4)])
def test_softmax_is_torchs(side, device, dtype, m, q):
    """Rows add up to 1, over classes and not over rows; logarithms are the same numbers'."""
    X, _ = batch(m, q, dtype, device)
    for ours, theirs in ((side.softmax, torch.softmax), (side.log_softmax, torch.log_softmax)):
        assert ours(X).dtype == dtype
        torch.testing.assert_close(ours(X), theirs(X, dim=1), **loose(dtype))
    torch.testing.assert_close(
        side.softmax(X).sum(dim=1), torch.ones(m, dtype=dtype, device=device), **loose(dtype)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("logits", FAR.values(), ids=FAR)
def test_far_logits(side, dtype, logits):
    """Values and gradients stay those of torch, finite wherever the formula is."""
    X = torch.tensor(logits, dtype=dtype, requires_grad=True)
    torch.testing.assert_close(side.softmax(X), torch.softmax(X, dim=1), **loose(dtype))
    torch.testing.assert_close(side.log_softmax(X), torch.log_softmax(X, dim=1), **loose(dtype))
    y = torch.tensor([2, 0])
    loss, expected = side.CrossEntropy()(X, y), F.cross_entropy(X, y)
    assert loss.isfinite()
    torch.testing.assert_close(loss, expected, **loose(dtype))
    (gradient,) = torch.autograd.grad(loss, X)
    assert gradient.isfinite().all()
    torch.testing.assert_close(gradient, *torch.autograd.grad(expected, X), **loose(dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("number", [1e4, -746.0])
def test_far_logits_control(dtype, number):
    """Control: without the shift, the same logits are no numbers."""
    assert bare_softmax(torch.full((1, 3), number, dtype=dtype)).isnan().all()
    assert not bare_softmax(torch.full((1, 3), 1.0, dtype=dtype)).isnan().any()


def test_sum_that_overflows_control():
    """Control: three float32 logits of 88.5 overflow only in the sum, and all become 0."""
    X = torch.full((1, 3), 88.5)
    assert X.exp().isfinite().all()
    assert not bare_softmax(X).any()
    torch.testing.assert_close(scratch.softmax(X), torch.full((1, 3), 1 / 3))


def test_log_softmax_does_not_go_through_zero(side):
    """Where the probability is rounded to 0, its logarithm is still exact."""
    X = torch.tensor([[0.0, -1000.0]])
    assert side.softmax(X)[0, 1] == 0
    assert side.log_softmax(X).tolist() == [[0.0, -1000.0]]


def test_no_numbers_stay_no_numbers(side):
    """A NaN, or a row without any possible class, is not papered over, nor does it spread."""
    X = torch.tensor([[math.nan, 0.0], [-math.inf, -math.inf], [math.inf, 0.0], [0.0, 0.0]])
    assert side.softmax(X).isnan().any(dim=1).tolist() == [True, True, True, False]


def test_init_softmax_params_are_small_leaves(side):
    """W (d, q) is drawn with the asked deviation, b (q,) is zero, both are leaves."""
    W, b = side.init_softmax_params(400, 10, sigma=0.1)
    assert (W.shape, b.shape) == ((400, 10), (10,))
    assert 0.09 < W.std() < 0.11
    assert abs(W.mean()) < 0.01
    assert not b.any()
    assert all(param.is_leaf and param.requires_grad for param in (W, b))


def test_init_softmax_params_draw_alike():
    """Equal seeds give both sides equal parameters; another seed (control) does not."""
    torch.manual_seed(0)
    W, _ = scratch.init_softmax_params(3, 2)
    torch.manual_seed(0)
    assert torch.equal(W, builtin.init_softmax_params(3, 2)[0])
    assert not torch.equal(W, builtin.init_softmax_params(3, 2)[0])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(5, 6), (5, 2, 3), (5, 1, 2, 3), (1, 6)])
def test_softmax_regression_flattens(side, dtype, shape):
    """Further axes count as one, whatever they are: probabilities (m, q) by torch's pieces."""
    X = torch.randn(shape).to(dtype)
    W, b = (param.detach().to(dtype) for param in side.init_softmax_params(6, 3, sigma=1.0))
    b = b + torch.tensor([1.0, 0.0, -1.0], dtype=dtype)
    y_hat = side.softmax_regression(X, W, b)
    assert y_hat.shape == (shape[0], 3)
    assert y_hat.dtype == dtype
    expected = torch.softmax(F.linear(X.reshape(shape[0], 6), W.T, b), dim=1)
    torch.testing.assert_close(y_hat, expected, **loose(dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("m", [1, 6])
def test_cross_entropy_is_the_log_of_the_labels_probability(side, dtype, m):
    """One number for each example, and the book's example by hand."""
    X, y = batch(m, dtype=dtype)
    y_hat = torch.softmax(X, dim=1)
    loss = side.cross_entropy(y_hat, y)
    assert (loss.shape, loss.dtype) == ((m,), dtype)
    for i, label in enumerate(y.tolist()):
        torch.testing.assert_close(loss[i], -y_hat[i, label].log())
    book = torch.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
    torch.testing.assert_close(
        side.cross_entropy(book, torch.tensor([0, 2])), torch.tensor([2.3026, 0.6931]), **PRINTED
    )


def test_cross_entropy_of_an_impossible_label(side):
    """A probability of 0 costs infinity; nothing is added to it to hide that."""
    loss = side.cross_entropy(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 0]))
    assert loss.tolist() == [math.inf, 0.0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "q"), [(1, 1), (1, 4), (6, 1), (6, 4)])
def test_gradient_is_softmax_less_one_hot(side, dtype, m, q):
    """The loss of logits has the slope (softmax - one-hot) over the number of rows."""
    X, y = batch(m, q, dtype)
    loss = side.CrossEntropy()(X, y)
    assert (loss.shape, loss.dtype) == ((), dtype)
    torch.testing.assert_close(loss, F.cross_entropy(X, y), **loose(dtype))
    (gradient,) = torch.autograd.grad(loss, X)
    expected = (torch.softmax(X, dim=1) - F.one_hot(y, q)) / m
    torch.testing.assert_close(gradient, expected.to(dtype), **loose(dtype))


def test_losses_pass_gradcheck(side):
    """First and second derivatives hold against finite differences."""
    X, y = batch(3)

    def functional(logits):
        return side.cross_entropy(side.softmax(logits), y)

    for loss in (functional, lambda logits: side.CrossEntropy()(logits, y), side.log_softmax):
        assert torch.autograd.gradcheck(loss, X)
        assert torch.autograd.gradgradcheck(loss, X)


def test_accuracy_counts_rows(side):
    """The share of rows with the label on top, as a 0-d float; of equal entries the first."""
    y_hat = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.5, 0.5], [0.5, 0.5]])
    accuracy = side.accuracy(y_hat, torch.tensor([1, 1, 0, 1]))
    assert accuracy.shape == ()
    assert accuracy.dtype == torch.float32
    assert accuracy.item() == 0.5
    assert side.accuracy(y_hat[:1].to(torch.bfloat16), torch.tensor([1])).item() == 1
    assert side.accuracy(torch.zeros(3, 1), torch.zeros(3, dtype=torch.int64)).item() == 1
    assert side.accuracy(torch.zeros(2, 3), torch.tensor([1, 2])).item() == 0


@pytest.mark.parametrize("name", ["cross_entropy", "CrossEntropy", "accuracy"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            torch.zeros(3, 1, dtype=torch.int64),
            r"one class number for each row.*\(3, 1\).*\(3, 2\)",
        ),
        (torch.zeros(3, 2), "one class number for each row"),
        (torch.zeros(2, dtype=torch.int64), "one class number for each row"),
        (torch.tensor(0), "one class number for each row"),
        (torch.zeros(3), "dtype torch.int64, but is torch.float32"),
    ],
    ids=["column", "one-hot", "too few", "one number", "floats"],
)
def test_labels_of_another_form_are_refused(side, name, labels, message):
    """Labels that would be broadcast or read as something else raise one sentence."""
    judge = side.CrossEntropy() if name == "CrossEntropy" else getattr(side, name)
    judge(torch.full((3, 2), 0.5), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=message):
        judge(torch.full((3, 2), 0.5), labels)


def test_predictions_of_one_axis_are_refused(side):
    """A plain vector has no classes."""
    with pytest.raises(ValueError, match="one class number for each row"):
        side.cross_entropy(torch.ones(3), torch.zeros(3, dtype=torch.int64))


@pytest.mark.parametrize("label", [-1, 2])
def test_labels_out_of_range_are_refused(side, label):
    """-1 is not the last class."""
    for loss in (side.cross_entropy, side.CrossEntropy()):
        with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
            loss(torch.full((1, 2), 0.5), torch.tensor([label]))


def test_torchs_mark_for_no_label():
    """What torch takes for "no label" is left out built in, and refused by hand."""
    X, _ = batch(2)
    labels = torch.tensor([1, -100])
    torch.testing.assert_close(
        builtin.CrossEntropy()(X, labels), builtin.CrossEntropy()(X[:1], labels[:1])
    )
    assert builtin.cross_entropy(X.softmax(dim=1), labels)[1] == 0
    with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
        scratch.CrossEntropy()(X, labels)


def model_of(side, dtype=torch.float64, d=6, q=3):
    """Return the side's model with parameters that are the same on both sides."""
    model = side.SoftmaxRegression(d, q, lr=0.1).to(dtype=dtype)
    W = torch.randn(d, q, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    weight, bias = model.parameters()
    with torch.no_grad():
        weight.copy_(W if side is scratch else W.T)
        bias.copy_(torch.linspace(-1, 1, q))
    return model


def examples(n=50, dtype=torch.float64, shape=(2, 3)):
    """Return features (n, *shape) and the classes (n,), 0 to 2, that a linear map gives them."""
    generator = torch.Generator().manual_seed(2)
    X = torch.randn(n, *shape, generator=generator, dtype=torch.float64)
    W = torch.randn(math.prod(shape), 3, generator=generator, dtype=torch.float64)
    return X.to(dtype), (X.flatten(1) @ W).argmax(dim=1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_models_agree_where_their_weights_do(dtype):
    """Logits, loss and gradients, of features with further axes; weights lie transposed."""
    ours, theirs = model_of(scratch, dtype), model_of(builtin, dtype)
    X, y = examples(8, dtype)
    assert ours(X).shape == (8, 3)
    torch.testing.assert_close(ours(X), theirs(X), **loose(dtype))
    losses = [model.training_step((X, y)) for model in (ours, theirs)]
    torch.testing.assert_close(*losses, **loose(dtype))
    for loss in losses:
        loss.backward()
    for our, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert our.grad is not None
        torch.testing.assert_close(our.grad.t(), their.grad, **loose(dtype))


def test_a_plain_copy_of_a_square_weight_control():
    """Control: with as many classes as features, the untransposed weight fits and is wrong."""
    ours, theirs = model_of(scratch, d=3), model_of(builtin, d=3)
    X, _ = examples(8, shape=(3,))
    torch.testing.assert_close(ours(X), theirs(X))
    next(theirs.parameters()).data = ours.W.detach().clone()
    assert not torch.allclose(ours(X), theirs(X))


def test_model_starts_as_stated(side):
    """A weight ~ N(0, sigma²) and a bias of 0, an axis for the classes, and the side's own SGD."""
    model = side.SoftmaxRegression(400, 10, lr=0.5, sigma=0.1)
    weight, bias = model.parameters()
    assert weight.shape == ((400, 10) if side is scratch else (10, 400))
    assert 0.09 < weight.std() < 0.11
    assert bias.tolist() == [0] * 10
    assert isinstance(model.configure_optimizers(), side.SGD)
    assert isinstance(model, side.Module)


def test_model_predicts_logits(side):
    """Softmax of the object's predictions are the functional net's, on the same parameters."""
    model = model_of(side)
    weight, bias = model.parameters()
    X, _ = examples(8)
    W = weight if side is scratch else weight.T
    torch.testing.assert_close(side.softmax(model(X)), side.softmax_regression(X, W, bias))
    assert not torch.allclose(model(X), side.softmax(model(X)))  # control


def test_functional_and_object_forms_step_alike(side):
    """The sum over the rows divided by their number is the mean: equal steps."""
    model = model_of(scratch)
    X, y = examples(7)
    W, b = (param.detach().clone().requires_grad_() for param in model.parameters())
    side.train_batch(X, y, W, b, 0.1, net=side.softmax_regression, loss=side.cross_entropy)
    theirs = model_of(side)
    theirs.training_step((X, y)).backward()
    theirs.configure_optimizers().step()
    weight, bias = theirs.parameters()
    torch.testing.assert_close(W.detach(), (weight if side is scratch else weight.T).detach())
    torch.testing.assert_close(b.detach(), bias.detach())
    assert not torch.allclose(b, model.b)  # control: the step moved it


def test_functional_training_learns(side):
    """The functional loop learns classes that a linear map gives, to nine of ten and more."""
    torch.manual_seed(0)
    X, y = examples(500, torch.float32)
    W, b = side.init_softmax_params(6, 3)
    before = side.accuracy(side.softmax_regression(X, W, b), y)
    net, loss = side.softmax_regression, side.cross_entropy
    side.train(X, y, W, b, 0.5, 20, 32, net=net, loss=loss)
    assert side.accuracy(side.softmax_regression(X, W, b), y) > max(0.95, before)


class Examples:
    """The examples as a data set for a Trainer."""

    def __init__(self, side, X, y):
        self.loader = partial(side.BatchLoader, X, y, 32)

    def train_dataloader(self):
        """Return shuffled batches."""
        return self.loader(generator=torch.Generator().manual_seed(0))

    def val_dataloader(self):
        """Return the same rows in stored order."""
        return self.loader(shuffle=False)


@pytest.mark.parametrize("micro", [None, 5])
def test_trainers_learn_alike(micro):
    """Both Trainers take the same steps, in pieces or not, and the held-out loss falls."""
    X, y = examples(500)
    ends = []
    for side in (scratch, builtin):
        model = model_of(side)
        before = side.accuracy(model(X), y)
        trainer = side.Trainer(20, micro_batch_size=micro)
        trainer.fit(model, Examples(side, X, y))
        assert trainer.val_losses[-1] < trainer.val_losses[0] / 2
        assert side.accuracy(model(X), y) > max(0.85, before)
        weight, bias = (param.detach() for param in model.parameters())
        ends.append((weight if side is scratch else weight.T, bias))
    torch.testing.assert_close(*ends)


def test_moved_model_trains(side):
    """`to` moves every parameter, and a step changes every one of them."""
    model = side.SoftmaxRegression(6, 3, lr=0.5).to(dtype=torch.float64)
    before = [param.detach().clone() for param in model.parameters()]
    model.training_step(examples()).backward()
    model.configure_optimizers().step()
    assert {param.dtype for param in model.parameters()} == {torch.float64}
    assert not any(map(torch.equal, before, model.parameters()))
