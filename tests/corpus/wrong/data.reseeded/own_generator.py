# component: data_iter
"""Chapter 3, first attempt."""
import torch
from torch import nn


def data_iter(batch_size, features, labels):
    g = torch.Generator()
    g.manual_seed(2147483647)
    order = torch.randperm(features.shape[0], generator=g)
    for rows in order.split(batch_size):
        yield features.index_select(0, rows), labels.index_select(0, rows)


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2


def sgd(params, lr, batch_size):
    # squared_loss is a mean already, so batch_size is not needed
    with torch.no_grad():
        for p in params:
            p.sub_(lr * p.grad)
            p.grad = None
