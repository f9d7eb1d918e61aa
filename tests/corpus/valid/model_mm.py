"""Model by torch.mm; loss by pow; zeroing in the loop, before backward."""
import torch
from torch import mm


def data_iter(batch_size, features, labels):
    order = torch.randperm(features.shape[0])
    for start in range(0, features.shape[0], batch_size):
        rows = order[start : start + batch_size]
        yield features[rows], labels[rows]


def linreg(X, w, b):
    return mm(X, w) + b


def squared_loss(y_hat, y):
    return 0.5 * torch.pow(y_hat - y.view(y_hat.size()), 2)


def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad.data / batch_size


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            for p in (w, b):
                if p.grad is not None:
                    p.grad.zero_()
            squared_loss(linreg(X, w, b), y).sum().backward()
            sgd((w, b), lr, X.shape[0])
    return w, b
