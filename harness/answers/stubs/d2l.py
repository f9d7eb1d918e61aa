"""What an answer finds in `d2l.torch` where d2l is not installed: what its exercises need to run.

Written anew after the book (d2l-en 3.2, 3.3, 12.4; 0.7 for the functions): base classes, synthetic
data, timers, and torch's functions by their own names; plots are inert. `linreg`, `squared_loss`,
`sgd`, `SGD` and `data_iter` are torch's built-ins: an answer that uses them is not from scratch.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import SGD as SGD  # noqa: PLC0414 - part of what is offered
from torch.utils.data import DataLoader, TensorDataset

from harness.answers.stubs.inert import Inert

BUILT_IN = ("linreg", "squared_loss", "sgd", "SGD", "data_iter", "load_array", "LinearRegression")


class HyperParameters:
    """d2l 3.2: keeps the arguments of a constructor as attributes."""

    def save_hyperparameters(self, ignore: Sequence[str] = ()) -> None:
        """Set every argument of the calling method but those to ignore as an attribute."""
        frame = inspect.currentframe()
        assert frame is not None
        assert frame.f_back is not None
        names = inspect.getargvalues(frame.f_back).locals
        skipped = {*ignore, "self", "__class__"}
        self.hparams = {
            k: v for k, v in names.items() if k not in skipped and not k.startswith("_")
        }
        for name, value in self.hparams.items():
            setattr(self, name, value)


class Module(nn.Module, HyperParameters):
    """d2l 3.2: the base class of models."""

    def __init__(self, plot_train_per_epoch: int = 2, plot_valid_per_epoch: int = 1) -> None:
        super().__init__()
        self.plot_train_per_epoch = plot_train_per_epoch
        self.plot_valid_per_epoch = plot_valid_per_epoch
        self.board = Inert()

    def loss(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """To be written by the reader."""
        raise NotImplementedError

    def forward(self, X: Tensor) -> Tensor:
        """Run `self.net`, where a model has one."""
        net: Any = self.net
        return net(X)  # type: ignore[no-any-return]

    def plot(self, key: str, value: Tensor, train: bool) -> None:
        """Draw nothing."""

    def training_step(self, batch: Sequence[Tensor]) -> Tensor:
        """The loss of a batch."""
        return self.loss(self(*batch[:-1]), batch[-1])

    def validation_step(self, batch: Sequence[Tensor]) -> None:
        """Compute the loss of a batch for a plot."""
        self.loss(self(*batch[:-1]), batch[-1])

    def configure_optimizers(self) -> Any:
        """To be written by the reader."""
        raise NotImplementedError


class DataModule(HyperParameters):
    """d2l 3.2: the base class of data."""

    num_train: int
    batch_size: int
    num_workers: int

    def __init__(self, root: str = "../data", num_workers: int = 0) -> None:
        self.save_hyperparameters()
        del root, num_workers

    def get_dataloader(self, train: bool) -> Any:
        """To be written by the reader."""
        raise NotImplementedError

    def train_dataloader(self) -> Any:
        """The batches to train on."""
        return self.get_dataloader(train=True)

    def val_dataloader(self) -> Any:
        """The batches to validate on."""
        return self.get_dataloader(train=False)

    def get_tensorloader(
        self, tensors: Sequence[Tensor], train: bool, indices: slice = slice(0, None)
    ) -> Any:
        """d2l 3.3.3: a DataLoader over some rows."""
        parts = [tensor[indices] for tensor in tensors]
        return DataLoader(TensorDataset(*parts), self.batch_size, shuffle=train)


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
        self.X = torch.randn(n, len(w))
        self.y = self.X @ w.reshape(-1, 1) + b + noise * torch.randn(n, 1)

    def get_dataloader(self, train: bool) -> Any:
        """The training rows, shuffled, or the validation rows."""
        rows = slice(0, self.num_train) if train else slice(self.num_train, None)
        return self.get_tensorloader((self.X, self.y), train, rows)


class Trainer(HyperParameters):
    """d2l 3.2.4 and 3.4.4: trains a model; readers write `fit_epoch` anew."""

    def __init__(self, max_epochs: int, num_gpus: int = 0, gradient_clip_val: float = 0) -> None:
        self.save_hyperparameters()
        del num_gpus
        self.gradient_clip_val = gradient_clip_val
        self.max_epochs = max_epochs

    def prepare_data(self, data: Any) -> None:
        """Take up the loaders."""
        self.train_dataloader = data.train_dataloader()
        self.val_dataloader = data.val_dataloader()
        self.num_train_batches = _length(self.train_dataloader)
        self.num_val_batches = _length(self.val_dataloader)

    def prepare_model(self, model: Any) -> None:
        """Take up the model."""
        model.trainer = self
        self.model = model

    def prepare_batch(self, batch: Any) -> Any:
        """The batch as it is."""
        return batch

    def clip_gradients(self, grad_clip_val: float, model: Any) -> None:
        """d2l 9.5.3, by torch."""
        nn.utils.clip_grad_norm_(list(model.parameters()), grad_clip_val)

    def fit(self, model: Any, data: Any) -> None:
        """Train for max_epochs epochs."""
        self.prepare_data(data)
        self.prepare_model(model)
        self.optim = model.configure_optimizers()
        self.epoch = 0
        self.train_batch_idx = 0
        self.val_batch_idx = 0
        while self.epoch < self.max_epochs:
            self.fit_epoch()
            self.epoch += 1

    def fit_epoch(self) -> None:
        """Train on every batch once."""
        self.model.train()
        for batch in self.train_dataloader:
            loss = self.model.training_step(self.prepare_batch(batch))
            self.optim.zero_grad()
            with torch.no_grad():
                loss.backward()
                if self.gradient_clip_val > 0:
                    self.clip_gradients(self.gradient_clip_val, self.model)
                self.optim.step()
            self.train_batch_idx += 1


def _length(loader: Any) -> int:
    return len(loader) if hasattr(loader, "__len__") else 0


class Timer:
    """d2l 12.4: a stopwatch."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Start."""
        self.tik = time.time()

    def stop(self) -> float:
        """Stop; the time in seconds since the start."""
        self.times.append(time.time() - self.tik)
        return self.times[-1]

    def avg(self) -> float:
        """Mean of the times."""
        return sum(self.times) / len(self.times)

    def sum(self) -> float:
        """Sum of the times."""
        return sum(self.times)

    def cumsum(self) -> list[float]:
        """Running sums of the times."""
        return [sum(self.times[: k + 1]) for k in range(len(self.times))]


class Accumulator:
    """d2l 3.6: sums over several quantities."""

    def __init__(self, n: int) -> None:
        self.data = [0.0] * n

    def add(self, *args: float) -> None:
        """Add to each."""
        self.data = [a + float(b) for a, b in zip(self.data, args, strict=True)]

    def reset(self) -> None:
        """Start again."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, idx: int) -> float:
        return self.data[idx]


def add_to_class(cls: type) -> Callable[[Callable[..., Any]], None]:
    """d2l 3.2: register a function as a method."""

    def wrapper(obj: Callable[..., Any]) -> None:
        setattr(cls, obj.__name__, obj)

    return wrapper


def synthetic_data(w: Tensor, b: float, num_examples: int) -> tuple[Tensor, Tensor]:
    """d2l 0.7: features (n, d), labels (n, 1) of y = Xw + b, with noise of deviation 0.01."""
    data = SyntheticRegressionData(w, b, num_train=num_examples, num_val=0)
    return data.X, data.y


def load_array(data_arrays: Sequence[Tensor], batch_size: int, is_train: bool = True) -> Any:
    """d2l 0.7: a DataLoader."""
    return DataLoader(TensorDataset(*data_arrays), batch_size, shuffle=is_train)


def data_iter(batch_size: int, features: Tensor, labels: Tensor) -> Any:
    """d2l 0.7, built in."""
    return load_array((features, labels), batch_size)


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """d2l 0.7, built in."""
    return nn.functional.linear(X, w.reshape(1, -1), b)


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """d2l 0.7, built in."""
    return nn.functional.mse_loss(y_hat, y.reshape(y_hat.shape), reduction="none") / 2


def sgd(params: Sequence[Tensor], lr: float, batch_size: int) -> None:
    """d2l 0.7, built in; it clears the gradients, as the book's does."""
    optimizer = torch.optim.SGD(params, lr=lr / batch_size)
    optimizer.step()
    optimizer.zero_grad()


def evaluate_loss(net: Callable[..., Tensor], data_iter: Any, loss: Callable[..., Tensor]) -> float:
    """d2l 3.6: the mean loss over a data set."""
    total, count = 0.0, 0
    for X, y in data_iter:
        out = net(X)
        values = loss(out, y.reshape(out.shape))
        total, count = total + float(values.sum()), count + values.numel()
    return total / count


def cpu() -> torch.device:
    """The CPU."""
    return torch.device("cpu")


def try_gpu(i: int = 0) -> torch.device:
    """The CPU: answers are checked there."""
    del i
    return cpu()


def reduce_mean(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """d2l's name for `x.mean`."""
    return x.mean(*args, **kwargs)


def reduce_sum(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """d2l's name for `x.sum`."""
    return x.sum(*args, **kwargs)


def reshape(x: Tensor, *shape: Any) -> Tensor:
    """d2l's name for `x.reshape`."""
    return x.reshape(*shape)


def concat(parts: Sequence[Tensor], dim: int = 0) -> Tensor:
    """d2l's name for `torch.cat`."""
    return torch.cat(list(parts), dim)


def astype(x: Tensor, kind: torch.dtype) -> Tensor:
    """d2l's name for `x.type`."""
    return x.to(kind)


def numpy(x: Tensor) -> np.ndarray[Any, Any]:
    """d2l's name for `x.detach().numpy()`."""
    return x.detach().numpy()


def to(x: Tensor, device: torch.device) -> Tensor:
    """d2l's name for `x.to`."""
    return x.to(device)


def size(x: Tensor) -> int:
    """d2l's name for `x.numel()`."""
    return x.numel()


def transpose(x: Tensor) -> Tensor:
    """d2l's name for `x.t()`."""
    return x.t()


def __getattr__(name: str) -> Any:
    """Find torch's function of that name, as d2l has it; a plot where there is none."""
    if name.startswith("__"):
        raise AttributeError(name)
    return getattr(torch, name, None) or Inert()
