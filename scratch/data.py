"""Mini-batches of examples, and made-up data to train on, by hand: a shuffled index, cut up.

Orders are drawn on the CPU and the rows are picked on the device where the features live.
Nothing here copies the whole data set, loads files or starts workers.

Source: d2l 3.2 (object-oriented form, data) and d2l 0.7 (`data_iter`, `synthetic_data`).
"""

from collections.abc import Iterator

import torch
from torch import Generator, Tensor


def data_iter(
    batch_size: int,
    features: Tensor,
    labels: Tensor,
    generator: Generator | None = None,
    drop_last: bool = False,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Serve one epoch of batches, every row once, in a fresh random order.

    features (n, ...) and labels (n, ...) of any dtype -> (X (m, ...), y (m, ...)), same dtypes.
    The last batch is short when batch_size does not divide n, or is left out by drop_last.
    The iterator is used up after one epoch: call again, or keep a `BatchLoader`.

    Raises ValueError for a batch_size below 1, no rows, or features and labels of unequal length.
    Source: d2l 0.7; the draws are those of torch.utils.data.DataLoader, see `BatchLoader`.
    """
    loader = BatchLoader(features, labels, batch_size, generator=generator, drop_last=drop_last)
    return iter(loader)


class BatchLoader:
    """Batches of one data set that start again at every `for`: `data_iter` for many epochs.

    features (n, ...) and labels (n, ...) of any dtype -> (X (m, ...), y (m, ...)), same dtypes.
    shuffle=False serves the rows as they are stored; the batches are copies either way.

    It draws exactly what DataLoader draws, at the same moments, so that equal generators serve
    equal batches and are left in equal states. Without a generator the global one decides.

    Raises ValueError for a batch_size below 1, no rows, or features and labels of unequal length.
    Source: mirrors DataLoader(TensorDataset(features, labels), batch_size, ...).
    """

    def __init__(
        self,
        features: Tensor,
        labels: Tensor,
        batch_size: int,
        shuffle: bool = True,
        generator: Generator | None = None,
        drop_last: bool = False,
    ) -> None:
        """Keep the data and the settings; nothing is drawn yet."""
        _check(features, labels, batch_size)
        self.features = features
        self.labels = labels
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.drop_last = drop_last

    def __len__(self) -> int:
        """Count the batches of one epoch."""
        full_batches, rows_left = divmod(len(self.features), self.batch_size)
        has_short_batch = rows_left > 0 and not self.drop_last
        return full_batches + has_short_batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Start an epoch: a new iterator, independent of those before it."""
        _draw_seed(self.generator)  # DataLoader draws a seed for its workers, even without any
        return self._batches()  # a generator: its first line waits for the first next()

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        n = len(self.features)
        rows_in_full_batches = n - n % self.batch_size
        generator = self._order_generator()
        order = self._draw_order(generator)  # (n,)
        for start in range(0, rows_in_full_batches, self.batch_size):
            yield self._pick(order[start : start + self.batch_size])
        # On reaching the end of its order, DataLoader draws another and throws it away. It
        # reaches the end while it fills the short batch, so this comes before serving that one.
        self._draw_order(generator)
        if rows_in_full_batches < n and not self.drop_last:
            yield self._pick(order[rows_in_full_batches:])

    def _order_generator(self) -> Generator | None:
        """Return the caller's generator, or one seeded from the global generator."""
        if self.generator is not None or not self.shuffle:
            return self.generator
        return torch.Generator("cpu").manual_seed(_draw_seed(None))

    def _draw_order(self, generator: Generator | None) -> Tensor:
        """Return row numbers (n,), int64, on the device of the features."""
        n = len(self.features)
        if not self.shuffle:
            return torch.arange(n, device=self.features.device)
        return torch.randperm(n, generator=generator, device="cpu").to(self.features.device)

    def _pick(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Return the examples in these rows (m,): features[rows], labels[rows], only faster."""
        return self.features.index_select(0, rows), self.labels.index_select(0, rows)


def synthetic_data(
    w: Tensor, b: Tensor | float, num_examples: int, noise: float = 0.01
) -> tuple[Tensor, Tensor]:
    """Make up examples of a known line: y = Xw + b + noise, X ~ N(0, 1).

    w of d elements (any shape), b one number; noise is a standard deviation ->
    features (n, d), labels (n, 1), both of the dtype and on the device of w, without gradients.
    Both packages hold this same code: the data is the question, not part of either answer.

    Raises what torch.randn raises when w is not of a floating dtype.
    Source: d2l 0.7 `synthetic_data`; d2l 3.3.1.
    """
    w = w.detach().reshape(-1, 1)  # (d, 1)
    b = torch.as_tensor(b, dtype=w.dtype, device=w.device).detach()  # () or (1,)
    X = torch.randn(num_examples, len(w), dtype=w.dtype, device=w.device)  # (n, d)
    error = noise * torch.randn(num_examples, 1, dtype=w.dtype, device=w.device)  # (n, 1)
    return X, X @ w + b + error


class SyntheticRegressionData:
    """Synthetic examples of y = Xw + b + noise, parted in training and validation rows.

    Attributes: w and b as given; X (num_train + num_val, d) and y (num_train + num_val, 1), of
    the dtype and on the device of w; drawn once, from the global generator.

    Raises ValueError, when a loader is asked for, where batch_size or num_train is below 1.
    Source: d2l 3.3 `SyntheticRegressionData`.
    """

    def __init__(
        self,
        w: Tensor,
        b: Tensor | float,
        noise: float = 0.01,
        num_train: int = 1000,
        num_val: int = 1000,
        batch_size: int = 32,
    ) -> None:
        """Draw the examples."""
        self.w = w
        self.b = b
        self.noise = noise
        self.num_train = num_train
        self.num_val = num_val
        self.batch_size = batch_size
        self.X, self.y = synthetic_data(w, b, num_train + num_val, noise)

    def train_dataloader(self) -> BatchLoader:
        """Return batches of the first num_train rows, shuffled anew every epoch."""
        return BatchLoader(self.X[: self.num_train], self.y[: self.num_train], self.batch_size)

    def val_dataloader(self) -> BatchLoader | None:
        """Return batches of the other rows, in stored order; None where there are none."""
        if self.num_val == 0:
            return None
        X, y = self.X[self.num_train :], self.y[self.num_train :]
        return BatchLoader(X, y, self.batch_size, shuffle=False)


def _check(features: Tensor, labels: Tensor, batch_size: int) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, but is {batch_size}.")
    if len(features) != len(labels):
        raise ValueError(
            "features and labels must have as many rows as each other, "
            f"but have {len(features)} and {len(labels)}."
        )
    if len(features) == 0:
        raise ValueError("features and labels must have at least one row, but have none.")


def _draw_seed(generator: Generator | None) -> int:
    """Draw one int64 as torch.utils.data does; generator None stands for the global one."""
    return int(torch.empty((), dtype=torch.int64, device="cpu").random_(generator=generator))
