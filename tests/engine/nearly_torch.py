"""Losses, layers and optimizers of torch, each beside one that is nearly the same; some by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, optim

from harness.diagnosis.finding import compare
from harness.engine.comparison import Comparison
from harness.pairs.own import recipe

ROWS, SIZE, FEATURES, CLASSES = 20, 8, 5, 4

Data = tuple[Tensor, Tensor]
Make = Callable[[], nn.Module]


def compared(
    data: Data, mine: dict[str, Any], theirs: dict[str, Any], **settings: Any
) -> Comparison:
    """Two recipes built separately, trained on the same data for an epoch: three steps."""
    with torch.random.fork_rng(devices=[]):
        return compare(
            recipe(**mine),
            recipe(**theirs),
            data=data,
            **{"epochs": 1, "batch_size": SIZE, **settings},
        )


def drawn(seed: int) -> torch.Generator:
    """A generator of the data."""
    return torch.Generator().manual_seed(seed)


def features(seed: int, *shape: int) -> Tensor:
    """Normal features (ROWS, ...)."""
    return torch.randn(ROWS, *(shape or (FEATURES,)), generator=drawn(seed))


def numbers(seed: int) -> Tensor:
    return 2 * torch.randn(ROWS, CLASSES, generator=drawn(seed + 100))


def zeros_and_ones(seed: int) -> Tensor:
    return torch.randint(0, 2, (ROWS, CLASSES), generator=drawn(seed + 100)).float()


def classes(seed: int) -> Tensor:
    return torch.randint(0, CLASSES, (ROWS,), generator=drawn(seed + 100))


def distributions(seed: int) -> Tensor:
    return torch.randn(ROWS, CLASSES, generator=drawn(seed + 100)).softmax(1)


def linear() -> nn.Module:
    return nn.Linear(FEATURES, CLASSES)


def log_probabilities() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, CLASSES), nn.LogSoftmax(1))


@dataclass(frozen=True)
class LossTrial:
    """A loss of torch, the labels it takes, and one that is nearly the same."""

    right: Callable[..., Any]
    labels: Callable[[int], Tensor]
    wrong: Callable[..., Any]
    model: Make = linear


class HuberByHand(nn.Module):
    """As torch's, by the error cut at delta."""

    def __init__(self, delta: float, reduction: str) -> None:
        super().__init__()
        self.delta, self.reduction = delta, reduction

    def forward(self, y_hat: Tensor, y: Tensor) -> Tensor:
        """As torch's."""
        error = (y_hat - y).abs()
        cut = error.clamp(max=self.delta)
        return reduced(cut * error - cut**2 / 2, self.reduction)


def reduced(values: Tensor, reduction: str) -> Tensor:
    """Mean, sum or all of the values."""
    if reduction == "none":
        return values
    return values.mean() if reduction == "mean" else values.sum()


def cross_entropy_by_hand(y_hat: Tensor, y: Tensor, reduction: str) -> Tensor:
    """By log-sum-exp."""
    at_label = y_hat.gather(1, y.unsqueeze(1)).squeeze(1)
    return reduced(y_hat.logsumexp(1) - at_label, reduction)


def by_probabilities(y_hat: Tensor, y: Tensor, reduction: str) -> Tensor:
    """A logarithm that is kept from 0 by adding to it."""
    probabilities = y_hat.softmax(1).gather(1, y.unsqueeze(1)).squeeze(1)
    return reduced(-(probabilities + 1e-4).log(), reduction)


def function(loss: Callable[..., Tensor]) -> Callable[..., Any]:
    """A function of a reduction in the shape of a loss class."""
    return lambda reduction: partial(loss, reduction=reduction)


CLASS_WEIGHTS = torch.tensor([0.5, 1.0, 3.0, 0.2])


SMOOTH = partial(nn.CrossEntropyLoss, label_smoothing=0.1)


LOSSES = {
    "mse": LossTrial(nn.MSELoss, numbers, partial(nn.HuberLoss, delta=3.0)),
    "l1": LossTrial(nn.L1Loss, numbers, partial(nn.SmoothL1Loss, beta=1e-2)),
    "smooth-l1": LossTrial(partial(nn.SmoothL1Loss, beta=0.7), numbers, nn.SmoothL1Loss),
    "huber": LossTrial(
        partial(nn.HuberLoss, delta=0.7), numbers, partial(nn.HuberLoss, delta=0.71)
    ),
    "bce": LossTrial(
        nn.BCEWithLogitsLoss,
        zeros_and_ones,
        partial(nn.BCEWithLogitsLoss, pos_weight=torch.tensor(1.01)),
    ),
    "ce": LossTrial(nn.CrossEntropyLoss, classes, function(by_probabilities)),
    "ce-smoothed": LossTrial(SMOOTH, classes, partial(nn.CrossEntropyLoss, label_smoothing=0.101)),
    "ce-weighted": LossTrial(
        partial(nn.CrossEntropyLoss, weight=CLASS_WEIGHTS),
        classes,
        partial(nn.CrossEntropyLoss, weight=CLASS_WEIGHTS + torch.tensor([0, 0, 0.01, 0])),
    ),
    "ce-ignoring": LossTrial(
        partial(nn.CrossEntropyLoss, ignore_index=1), classes, nn.CrossEntropyLoss
    ),
    "nll": LossTrial(
        nn.NLLLoss, classes, partial(nn.CrossEntropyLoss, label_smoothing=1e-3), log_probabilities
    ),
    "kl": LossTrial(
        nn.KLDivLoss,
        distributions,
        lambda reduction: lambda y_hat, y: nn.KLDivLoss(reduction=reduction)(y_hat, y + 1e-4),
        log_probabilities,
    ),
}


def sides_of(name: str, reduction: str, *kinds: str) -> list[dict[str, Any]]:
    """A recipe for each of these kinds, "right" or "wrong"."""
    trial = LOSSES[name]
    return [{"model": trial.model, "loss": getattr(trial, k)(reduction=reduction)} for k in kinds]


class Picked(nn.Module):
    """Of a layer that gives several tensors, the first; by its last step where it has steps."""

    def __init__(self, layer: nn.Module, **given: Any) -> None:
        super().__init__()
        self.layer, self.given = layer, given

    def forward(self, X: Tensor) -> Tensor:
        """As torch's."""
        copies = 3 if isinstance(self.layer, nn.MultiheadAttention) else 1
        output: Tensor = self.layer(*[X] * copies, **self.given)[0]
        return output[:, -1]


class LayerNormByHand(nn.Module):
    """Over the last axis, the deviation with eps inside the root; `outside` is the mistake."""

    def __init__(self, width: int, *, outside: bool = False, unbiased: bool = False) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.outside, self.unbiased = outside, unbiased

    def forward(self, X: Tensor) -> Tensor:
        """As torch's."""
        variance = X.var(-1, keepdim=True, correction=int(self.unbiased))
        eps = 1e-5
        root = variance.sqrt() + eps if self.outside else (variance + eps).sqrt()
        return (X - X.mean(-1, keepdim=True)) / root * self.weight + self.bias


class BiasedBatchNorm(nn.BatchNorm1d):
    """Remembers the variance that it divides by, n for n - 1."""

    def forward(self, X: Tensor) -> Tensor:
        """As torch's."""
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            self.running_mean += 0.1 * (X.mean(0) - self.running_mean)
            self.running_var += 0.1 * (X.var(0, correction=0) - self.running_var)
        return nn.functional.batch_norm(
            X, None, None, self.weight, self.bias, training=True, eps=self.eps
        )


class GeluByErf(nn.Module):
    """x Φ(x), by the error function."""

    def forward(self, X: Tensor) -> Tensor:
        """As torch's."""
        return X * 0.5 * (1 + torch.erf(X / math.sqrt(2)))


class TwoGates(nn.GRU):
    """Resets before the product, as the first paper has it: another layer under one name."""

    def forward(self, X: Any, hx: Any = None) -> Any:
        """As torch's."""
        del hx
        W, U, b, c = self.parameters()
        h = X.new_zeros(len(X), self.hidden_size)
        for x in X.unbind(1):
            r, z, n = nn.functional.linear(x, W, b).chunk(3, 1)
            R, Z, _ = nn.functional.linear(h, U, c).chunk(3, 1)
            r, z = (r + R).sigmoid(), (z + Z).sigmoid()
            size = self.hidden_size
            n = torch.tanh(n + nn.functional.linear(r * h, U[2 * size :], c[2 * size :]))
            h = (1 - z) * n + z * h
        return h.unsqueeze(1), h


def headed(layer: Callable[[], nn.Module], width: int = 4) -> Make:
    """A layer and a linear one behind it, that gives a number a row."""
    return lambda: nn.Sequential(layer(), nn.Flatten(), nn.Linear(width, 1))


def behind(layer: Callable[[], nn.Module]) -> Make:
    """A layer of 4 behind a linear one."""
    return lambda: nn.Sequential(nn.Linear(FEATURES, 4), layer(), nn.Linear(4, 1))


@dataclass(frozen=True)
class LayerTrial:
    """A model of torch, one that is nearly the same, and the stage at which that shows."""

    right: Make
    wrong: Make
    stage: str = "prediction"
    shape: tuple[int, ...] = (FEATURES,)
    indices: bool = False
    slow: bool = False

    def features(self, seed: int) -> Tensor:
        """Features (ROWS, ...), normal or indices."""
        if self.indices:
            return torch.randint(0, 6, (ROWS, *self.shape), generator=drawn(seed))
        return features(seed, *self.shape)


def recurrent(kind: Callable[..., nn.Module], **settings: Any) -> Make:
    return headed(lambda: Picked(kind(3, 4, batch_first=True, **settings)))


def attention(scale: float) -> Make:
    def layer() -> nn.Module:
        made = Picked(nn.MultiheadAttention(4, 2, batch_first=True), need_weights=False)
        return nn.Sequential(Scaled(scale), made)

    return headed(layer)


class Scaled(nn.Module):
    """Everything times a number."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, X: Tensor) -> Tensor:
        """As torch's."""
        return X * self.by


LAYERS = {
    "linear": LayerTrial(
        lambda: nn.Linear(FEATURES, 1),
        lambda: nn.Sequential(nn.Linear(FEATURES, 1), Scaled(1.00001)),
    ),
    "linear-no-bias": LayerTrial(
        lambda: nn.Linear(FEATURES, 1, bias=False),
        lambda: nn.Sequential(Scaled(1.00001), nn.Linear(FEATURES, 1, bias=False)),
    ),
    "layer-norm": LayerTrial(
        behind(lambda: nn.LayerNorm(4)), behind(lambda: LayerNormByHand(4, outside=True))
    ),
    "layer-norm-unbiased": LayerTrial(
        behind(lambda: nn.LayerNorm(4)), behind(lambda: LayerNormByHand(4, unbiased=True))
    ),
    "batch-norm": LayerTrial(
        behind(lambda: nn.BatchNorm1d(4)), behind(lambda: BiasedBatchNorm(4)), "parameter"
    ),
    "gelu": LayerTrial(behind(nn.GELU), behind(lambda: nn.GELU("tanh"))),
    "relu": LayerTrial(behind(nn.ReLU), behind(lambda: nn.LeakyReLU(1e-4))),
    "conv": LayerTrial(
        headed(lambda: nn.Conv2d(2, 3, 3, padding=1), 48),
        headed(lambda: nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), 48),
        shape=(2, 4, 4),
    ),
    "embedding": LayerTrial(
        headed(lambda: nn.Embedding(6, 2), 6),
        headed(lambda: nn.Sequential(nn.Embedding(6, 2), Scaled(1.00001)), 6),
        shape=(3,),
        indices=True,
    ),
    "attention": LayerTrial(attention(1.0), attention(1.00001), shape=(3, 4)),
    "rnn": LayerTrial(
        recurrent(nn.RNN), recurrent(nn.RNN, nonlinearity="relu"), shape=(4, 3), slow=True
    ),
    "lstm": LayerTrial(
        recurrent(nn.LSTM),
        headed(lambda: nn.Sequential(Scaled(1.00001), Picked(nn.LSTM(3, 4, batch_first=True)))),
        shape=(4, 3),
        slow=True,
    ),
    "gru": LayerTrial(recurrent(nn.GRU), recurrent(TwoGates), shape=(4, 3), slow=True),
}


class Lion:
    """Moves by the sign of a mixture of the gradient and its average."""

    def __init__(self, parameters: list[Tensor], lr: float, betas: Any = (0.9, 0.99)) -> None:
        self.parameters, self.lr, self.betas = parameters, lr, betas
        self.averages = [torch.zeros_like(p) for p in parameters]

    @torch.no_grad()
    def step(self) -> None:
        """Update from the gradients."""
        for parameter, average in zip(self.parameters, self.averages, strict=True):
            assert parameter.grad is not None
            mixed = self.betas[0] * average + (1 - self.betas[0]) * parameter.grad
            parameter -= self.lr * mixed.sign()
            average.mul_(self.betas[1]).add_(parameter.grad, alpha=1 - self.betas[1])

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


class Lamb(Lion):
    """Adam's step times the norm of each tensor over that of its step."""

    def __init__(self, parameters: list[Tensor], lr: float, eps: float = 1e-6) -> None:
        super().__init__(parameters, lr)
        self.squares = [torch.zeros_like(p) for p in parameters]
        self.eps, self.steps = eps, 0

    @torch.no_grad()
    def step(self) -> None:
        """Update from the gradients."""
        self.steps += 1
        held = zip(self.parameters, self.averages, self.squares, strict=True)
        for parameter, average, square in held:
            gradient = parameter.grad
            assert gradient is not None
            average.mul_(0.9).add_(gradient, alpha=0.1)
            square.mul_(0.999).addcmul_(gradient, gradient, value=0.001)
            mean, size = average / (1 - 0.9**self.steps), square / (1 - 0.999**self.steps)
            step = mean / (size.sqrt() + self.eps)
            ratio = parameter.norm() / step.norm()
            parameter -= self.lr * torch.where(ratio > 0, ratio, 1.0) * step


OPTIMIZERS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "sgd": (optim.SGD, partial(optim.SGD, weight_decay=1e-3)),
    "sgd-momentum": (
        partial(optim.SGD, momentum=0.9),
        partial(optim.SGD, momentum=0.9, dampening=1e-3),
    ),
    "sgd-nesterov": (
        partial(optim.SGD, momentum=0.9, nesterov=True, weight_decay=0.1),
        partial(optim.SGD, momentum=0.9, weight_decay=0.1),
    ),
    "sgd-maximize": (partial(optim.SGD, maximize=True), optim.SGD),
    "sgd-foreach": (partial(optim.SGD, foreach=True, momentum=0.5), optim.SGD),
    "adam": (optim.Adam, partial(optim.Adam, eps=1e-4)),
    "adam-amsgrad": (
        partial(optim.Adam, amsgrad=True, foreach=True),
        partial(optim.Adam, amsgrad=True, betas=(0.9, 0.99)),
    ),
    "adam-decay": (partial(optim.Adam, weight_decay=0.1), partial(optim.AdamW, weight_decay=0.1)),
    "adam-fused": (partial(optim.Adam, fused=True), partial(optim.Adam, eps=1e-4)),
    "adamw": (optim.AdamW, optim.Adam),
    "nadam": (optim.NAdam, optim.Adam),
    "radam": (optim.RAdam, partial(optim.RAdam, betas=(0.91, 0.999))),
    "adamax": (optim.Adamax, partial(optim.Adamax, eps=1e-4)),
    "adagrad": (optim.Adagrad, partial(optim.Adagrad, eps=1e-4)),
    "adadelta": (optim.Adadelta, partial(optim.Adadelta, rho=0.91)),
    "rmsprop": (optim.RMSprop, partial(optim.RMSprop, eps=1e-4)),
    "rmsprop-centred": (
        partial(optim.RMSprop, centered=True, momentum=0.5),
        partial(optim.RMSprop, momentum=0.5),
    ),
    "rprop": (optim.Rprop, partial(optim.Rprop, etas=(0.5, 1.3))),
    "asgd": (optim.ASGD, partial(optim.ASGD, lambd=0.01)),
    "adafactor": (optim.Adafactor, partial(optim.Adafactor, beta2_decay=-0.7)),
    "muon": (optim.Muon, partial(optim.Muon, momentum=0.9)),
    "lion": (Lion, partial(Lion, betas=(0.5, 0.99))),
    "lamb": (Lamb, partial(Lamb, eps=1e-3)),
}


def hidden() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, 4), nn.Tanh(), nn.Linear(4, 1))


def matrices() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, 4, bias=False), nn.Tanh(), nn.Linear(4, 1, bias=False))


def trained_by(name: str, *optimizers: Callable[..., Any]) -> list[dict[str, Any]]:
    """A recipe for each optimizer; of matrices alone where it takes no others."""
    model = matrices if name == "muon" else hidden
    return [{"model": model, "loss": nn.MSELoss(), "optimizer": own} for own in optimizers]
