"""Positional-only and typed parameters, annotations as strings."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor


def data_iter(batch_size: int, features: Tensor, labels: Tensor, /) -> Iterator[tuple[Tensor, Tensor]]:
    order: Tensor = torch.randperm(len(features))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        yield features[rows], labels[rows]


def linreg(X: Tensor, w: Tensor, b: Tensor, /) -> Tensor:
    return X @ w + b


def squared_loss(y_hat: Tensor, y: Tensor, /) -> Tensor:
    return (y_hat - y.reshape(y_hat.shape)).pow(2).div(2)


def sgd(params: Sequence[Tensor], lr: float, batch_size: int, /) -> None:
    with torch.no_grad():
        for param in params:
            assert param.grad is not None
            param.sub_(param.grad * lr / batch_size)
            param.grad.zero_()


def train(
    features: Tensor, labels: Tensor, w: Tensor, b: Tensor, lr: float, num_epochs: int, batch_size: int, /
) -> tuple[Tensor, Tensor]:
    for _ in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            squared_loss(linreg(X, w, b), y).sum().backward()
            sgd([w, b], lr, y.shape[0])
    return w, b
