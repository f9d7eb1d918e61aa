"""What an answer finds in `d2l.mxnet`: the book's helpers as `d2l` has them, on MXNet's arrays.

Written anew after the book (3.2 to 3.4; 0.7 to 0.17 for the functions).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor

from harness.answers.stubs import d2l as book
from harness.answers.stubs.d2l import (
    Accumulator,
    HyperParameters,
    Timer,
    add_to_class,
    reduce_mean,
    reduce_sum,
    reshape,
)
from harness.answers.stubs.inert import Inert
from harness.answers.stubs.mxnet import autograd, gluon, np, npx
from harness.answers.stubs.mxnet.array import NDArray, array_of
from harness.answers.stubs.mxnet.context import Context, cpu

BUILT_IN = ("linreg", "squared_loss", "sgd", "SGD", "data_iter", "load_array", "LinearRegression")
__all__ = [
    "Accumulator",
    "DataModule",
    "HyperParameters",
    "Module",
    "SyntheticRegressionData",
    "Timer",
    "Trainer",
    "add_to_class",
    "autograd",
    "cpu",
    "data_iter",
    "evaluate_loss",
    "gluon",
    "linreg",
    "load_array",
    "np",
    "npx",
    "numpy",
    "reduce_mean",
    "reduce_sum",
    "reshape",
    "sgd",
    "size",
    "squared_loss",
    "synthetic_data",
    "try_gpu",
]


class Module(book.Module, gluon.Block):
    """d2l 3.2: the base class of models."""


class DataModule(book.DataModule):
    """d2l 3.2: the base class of data."""

    def get_tensorloader(
        self, tensors: Sequence[Tensor], train: bool, indices: slice = slice(0, None)
    ) -> Any:
        """d2l 3.3.3: a DataLoader over some rows."""
        dataset = gluon.data.ArrayDataset(*(tensor[indices] for tensor in tensors))
        return gluon.data.DataLoader(dataset, self.batch_size, shuffle=train)


class SyntheticRegressionData(DataModule):
    """d2l 3.3.1: y = Xw + b + noise, X drawn from N(0, 1)."""

    def __init__(
        self,
        w: Tensor,
        b: float,
        noise: float = 0.01,
        num_train: int = 1000,
        num_val: int = 1000,
        batch_size: int = 32,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        del batch_size
        n = num_train + num_val
        self.X = np.random.randn(n, len(w))
        self.y = np.dot(self.X, w.reshape(-1, 1)) + b + np.random.randn(n, 1) * noise

    def get_dataloader(self, train: bool) -> Any:
        """The training rows, shuffled, or the validation rows."""
        rows = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader((self.X, self.y), train, rows)


class Trainer(book.Trainer):
    """d2l 3.2.4 and 3.4.4: trains a model; readers write `fit_epoch` anew."""

    def fit_epoch(self) -> None:
        """Train on every batch once."""
        for batch in self.train_dataloader:
            with autograd.record():
                loss = self.model.training_step(self.prepare_batch(batch))
            loss.backward()
            self.optim.step(1)
            self.train_batch_idx += 1


def synthetic_data(w: Tensor, b: float, num_examples: int) -> tuple[Tensor, Tensor]:
    """d2l 0.7: features (n, d), labels (n, 1) of y = Xw + b, with noise of deviation 0.01."""
    data = SyntheticRegressionData(w, b, num_train=num_examples, num_val=0)
    return data.X, data.y


def load_array(data_arrays: Sequence[Tensor], batch_size: int, is_train: bool = True) -> Any:
    """d2l 0.7: a DataLoader."""
    dataset = gluon.data.ArrayDataset(*data_arrays)
    return gluon.data.DataLoader(dataset, batch_size, shuffle=is_train)


def data_iter(batch_size: int, features: Tensor, labels: Tensor) -> Any:
    """d2l 0.7, built in."""
    return load_array((features, labels), batch_size)


def linreg(X: Tensor, w: Tensor, b: Tensor) -> NDArray:
    """d2l 0.7, built in."""
    return array_of(np.dot(X, w) + b)


def squared_loss(y_hat: Tensor, y: Tensor) -> NDArray:
    """d2l 0.7, built in."""
    return array_of((y_hat - y.reshape(y_hat.shape)) ** 2 / 2)


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """d2l 0.7, built in."""
    for param in params:
        assert param.grad is not None
        param[:] = param - lr * param.grad / batch_size


def evaluate_loss(net: Callable[..., Tensor], data_iter: Any, loss: Callable[..., Tensor]) -> float:
    """d2l 3.6: the mean loss over a data set."""
    return book.evaluate_loss(net, data_iter, loss)


def try_gpu(i: int = 0) -> Context:
    """The CPU: answers are checked there."""
    del i
    return cpu()


def numpy(x: Tensor) -> Any:
    """d2l's name for `x.asnumpy()`."""
    return array_of(x).asnumpy()


def size(x: Tensor) -> int:
    """d2l's name for `x.size`."""
    return x.numel()


_NAMES = {"tensor": "array", "concat": "concatenate", "matmul": "dot"}


def __getattr__(name: str) -> Any:
    """Find the function of `mxnet.np` by that name, as d2l has it; a plot where there is none."""
    if name.startswith("__"):
        raise AttributeError(name)
    found = getattr(np, _NAMES.get(name, name), None) or getattr(np.random, name, None)
    return found or Inert()
