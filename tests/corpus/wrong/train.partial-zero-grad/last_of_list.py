# component: train
from typing import List

import torch
from torch import Tensor


def data_iter(batch_size: int, features: Tensor, labels: Tensor):
    order = torch.randperm(features.shape[0])
    for start in range(0, order.shape[0], batch_size):
        rows = order[start:start + batch_size]
        yield features[rows], labels[rows]


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    return X @ w + b


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2


def sgd(params: List[Tensor], lr: float, batch_size: int) -> None:
    for p in params:
        p.data -= lr * p.grad


def train(features, labels, w, b, lr, num_epochs, batch_size):
    params = [w, b]
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            for p in params:
                if p.grad is not None and p.dim() > 1:
                    p.grad = None
            loss = squared_loss(linreg(X, w, b), y)
            loss.backward()
            sgd(params, lr, batch_size)
    return params[0], params[1]
