"""Both sides serve the rows that DataLoader serves, and draw what it draws when it draws it."""

from itertools import islice

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

import builtin
import scratch

DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]


@pytest.fixture(params=[scratch, builtin], ids=lambda package: package.__name__, scope="module")
def side(request):
    """One of the two packages."""
    return request.param


def rows(n, dtype=torch.float32, device="cpu"):
    """Features whose value is their row number, and labels ten times that."""
    numbers = torch.arange(n, dtype=dtype, device=device)
    return numbers.repeat(2, 1).T, 10 * numbers.reshape(-1, 1)


def reference(features, labels, batch_size, generator=None, *, shuffle=True, drop_last=False):
    """Return the DataLoader that both sides have to reproduce."""
    data = TensorDataset(features, labels)
    return DataLoader(data, batch_size, shuffle=shuffle, generator=generator, drop_last=drop_last)


def observed(start_epoch, generator, *, epochs, stop):
    """Return every batch of some epochs, the last cut off after `stop`, and every state between.

    generator None stands for the global one, whose state is read then.
    """
    seen = []
    for epoch in range(epochs):
        batches = start_epoch()
        seen.append(state(generator))
        for batch in islice(batches, stop if epoch == epochs - 1 else None):
            seen += [batch[0], batch[1], state(generator)]
        seen.append(state(generator))
    return seen


def state(generator):
    """Return the state of a generator; None stands for the global one."""
    return torch.get_rng_state() if generator is None else generator.get_state()


def seeded(own, seed=0):
    """Seed the global generator, and return a generator if it is to be an own one."""
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed) if own else None


def same(seen, expected):
    """Tell whether two observations hold equal tensors throughout."""
    return len(seen) == len(expected) and all(map(torch.equal, seen, expected))


settings_of_an_epoch = st.fixed_dictionaries(
    {
        "n": st.integers(1, 200),
        "batch_size": st.integers(1, 250),
        "drop_last": st.booleans(),
        "epochs": st.integers(1, 4),
        "own": st.booleans(),
        "seed": st.integers(0, 2**32),
    }
)


@settings(max_examples=60, deadline=None)
@given(case=settings_of_an_epoch, shuffle=st.booleans(), data=st.data())
def test_loader_draws_as_dataloader(side, case, shuffle, data):
    """Batches and generator states are DataLoader's, over epochs and where the last stops early."""
    features, labels = rows(case["n"])
    stop = data.draw(st.integers(0, -(-case["n"] // case["batch_size"]) + 1), "stop")
    seen = []
    for make in (side.BatchLoader, reference):
        generator = seeded(case["own"], case["seed"])
        loader = make(
            features,
            labels,
            case["batch_size"],
            shuffle=shuffle,
            generator=generator,
            drop_last=case["drop_last"],
        )
        epochs = observed(loader.__iter__, generator, epochs=case["epochs"], stop=stop)
        seen.append([*epochs, torch.tensor(len(loader))])
    assert same(*seen)


@settings(max_examples=60, deadline=None)
@given(case=settings_of_an_epoch)
def test_data_iter_draws_as_dataloader(side, case):
    """The function form, called once an epoch, serves and draws what a new DataLoader does."""
    features, labels = rows(case["n"])
    size, drop_last, epochs = case["batch_size"], case["drop_last"], case["epochs"]
    own = seeded(case["own"], case["seed"])
    seen = observed(
        lambda: side.data_iter(size, features, labels, own, drop_last),
        own,
        epochs=epochs,
        stop=None,
    )
    own = seeded(case["own"], case["seed"])
    expected = observed(
        lambda: iter(reference(features, labels, size, own, drop_last=drop_last)),
        own,
        epochs=epochs,
        stop=None,
    )
    assert same(seen, expected)


def late_seed(batch_size, features, labels, generator):
    """Draw the base seed at the first batch: what a plain generator function does."""
    yield from scratch.data_iter(batch_size, features, labels, generator)


def no_second_order(batch_size, features, labels, generator):
    """Draw one order only."""
    scratch.data._draw_seed(generator)
    for chosen in torch.randperm(len(features), generator=generator).split(batch_size):
        yield features[chosen], labels[chosen]


def second_order_last(batch_size, features, labels, generator):
    """Draw the second order after the short batch rather than before."""
    scratch.data._draw_seed(generator)

    def batches():
        yield from no_seed(batch_size, features, labels, generator)
        torch.randperm(len(features), generator=generator)

    return batches()


def no_seed(batch_size, features, labels, generator):
    """Draw nothing but the order: what the book's data_iter would do."""
    for chosen in torch.randperm(len(features), generator=generator).split(batch_size):
        yield features[chosen], labels[chosen]


@pytest.mark.parametrize(
    "wrong", [late_seed, no_second_order, second_order_last, no_seed], ids=lambda f: f.__name__
)
def test_draws_control(wrong):
    """Control: iterators that serve every row once, but draw otherwise, are told apart."""
    features, labels = rows(7)
    seen = []
    for start in (wrong, scratch.data_iter):
        own = seeded(own=True)
        seen.append(
            observed(lambda: start(3, features, labels, own), own, epochs=2, stop=None)  # noqa: B023
        )
    assert not same(*seen)


@pytest.mark.parametrize(("n", "size"), [(12, 4), (13, 4), (3, 4), (1, 1)])
def test_every_row_once_with_its_label(side, n, size):
    """An epoch holds each row once, with its own label, the last batch short; a new order each."""
    features, labels = rows(n)
    loader = side.BatchLoader(features, labels, size)
    first, second = list(loader), list(loader)
    assert len(first) == len(second) == len(loader) == -(-n // size)
    for batches in (first, second):
        X = torch.cat([X for X, _ in batches])
        y = torch.cat([y for _, y in batches])
        assert torch.equal(X.sort(dim=0).values, features)
        assert torch.equal(10 * X[:, :1], y)
        assert [len(X) for X, _ in batches[:-1]] == [size] * (len(batches) - 1)
    if n > 10:
        assert not torch.equal(first[0][0], second[0][0])


def test_data_iter_is_used_up_after_one_epoch(side):
    """A spent iterator stays spent, where a loader starts again."""
    batches = side.data_iter(4, *rows(8))
    assert len(list(batches)) == 2
    assert list(batches) == []


def test_stored_order_is_kept_and_copied(side):
    """shuffle=False serves the rows as stored, and writing to a batch leaves the data alone."""
    features, labels = rows(7)
    loader = side.BatchLoader(features, labels, 3, shuffle=False)
    batches = list(loader)
    assert torch.equal(torch.cat([X for X, _ in batches]), features)
    batches[0][0].fill_(-1)
    assert torch.equal(features, rows(7)[0])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [*DTYPES, torch.int64])
@pytest.mark.parametrize("labels_flat", [False, True])
def test_batches_stay_on_device_and_dtype(side, device, dtype, labels_flat):
    """A CPU generator orders data of any dtype on any device; labels (n,) stay flat."""
    features, labels = rows(7, dtype, device)
    labels = labels[:, 0] if labels_flat else labels
    own = seeded(own=True)
    for X, y in side.data_iter(3, features, labels, own):
        assert X.dtype == y.dtype == dtype
        assert X.device.type == y.device.type == device
        assert y.shape == (len(X), *labels.shape[1:])


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(
    ("n", "m", "size", "message"),
    [
        (4, 4, 0, "batch_size must be at least 1, but is 0"),
        (4, 4, -1, "batch_size must be at least 1, but is -1"),
        (4, 3, 2, "but have 4 and 3"),
        (0, 0, 2, "at least one row"),
    ],
)
def test_wrong_input_is_refused(side, shuffle, n, m, size, message):
    """Sizes below one, unequal lengths and no rows raise a sentence, in both forms, at once."""
    with pytest.raises(ValueError, match=message):
        side.BatchLoader(rows(n)[0], rows(m)[1], size, shuffle=shuffle)
    with pytest.raises(ValueError, match=message):
        side.data_iter(size, rows(n)[0], rows(m)[1])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_synthetic_data_is_the_line_plus_noise(side, device, dtype):
    """Equal seeds give both sides equal data, of w's dtype; without noise, exactly the line."""
    w = torch.tensor([2.0, -3.4, 5.6], dtype=dtype, device=device, requires_grad=True)
    torch.manual_seed(1)
    X, y = side.synthetic_data(w, 4.2, 50, noise=0.0)
    assert X.shape == (50, 3)
    assert y.shape == (50, 1)
    assert X.dtype == y.dtype == dtype
    assert X.device.type == y.device.type == device
    assert not y.requires_grad
    assert torch.equal(y, X @ w.detach().reshape(3, 1) + 4.2)
    torch.manual_seed(1)
    other = scratch.synthetic_data(
        w.reshape(3, 1), torch.tensor([4.2], dtype=torch.float64), 50, noise=0.0
    )
    assert torch.equal(X, other[0])
    torch.testing.assert_close(y, other[1])


def test_synthetic_noise_has_its_standard_deviation(side):
    """The noise is scaled, and a double-precision b is not rounded on its way."""
    w = torch.tensor([1.0], dtype=torch.float64)
    X, y = side.synthetic_data(w, 4.2, 20_000, noise=0.5)
    error = y - X - 4.2
    assert 0.49 < error.std() < 0.51
    X, y = side.synthetic_data(0 * w, 4.2, 2, noise=0.0)
    assert y.tolist() == [[4.2], [4.2]]


def test_regression_data_parts_train_and_val(side):
    """The first rows train, shuffled; the others validate, in order; none gives None."""
    data = side.SyntheticRegressionData(torch.tensor([2.0, -3.4]), 4.2, 0.01, 7, 5, 3)
    train = torch.cat([X for X, _ in data.train_dataloader()])
    assert torch.equal(train.sort(dim=0).values, data.X[:7].sort(dim=0).values)
    assert not torch.equal(train, data.X[:7])
    assert torch.equal(torch.cat([y for _, y in data.val_dataloader()]), data.y[7:])
    assert (data.X.shape, data.y.shape) == ((12, 2), (12, 1))
    assert (data.w.tolist(), data.b) == (torch.tensor([2.0, -3.4]).tolist(), 4.2)
    alone = side.SyntheticRegressionData(torch.tensor([2.0]), 4.2, num_val=0)
    assert alone.val_dataloader() is None


def test_scratch_epoch_is_far_cheaper_in_calls():
    """Rows are picked a batch at a time: scratch calls indexing once a batch, not once a row."""
    features, labels = rows(1000)
    calls = 0

    class Counted(torch.Tensor):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            nonlocal calls
            calls += func.__name__ in {"index_select", "__getitem__"}
            return super().__torch_function__(func, types, args, kwargs or {})

    list(scratch.data_iter(100, features.as_subclass(Counted), labels))
    by_scratch, calls = calls, 0
    list(builtin.data_iter(100, features.as_subclass(Counted), labels))
    assert by_scratch == 10
    assert calls >= 1000
