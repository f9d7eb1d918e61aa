"""Functions behind decorators: timing, counting, and the batch check."""
import functools
import time

import torch

calls = {}


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        start = time.perf_counter()
        result = function(*args, **kwargs)
        calls.setdefault(function.__name__, []).append(time.perf_counter() - start)
        return result

    return wrapper


@timed
def linreg(X, w, b):
    return X @ w + b


@timed
def squared_loss(y_hat, y):
    y = y.reshape(y_hat.shape)
    return (y_hat - y) ** 2 / 2


@torch.no_grad()
def sgd(params, lr, batch_size):
    for param in params:
        param -= lr * param.grad / batch_size
        param.grad.zero_()


@timed
def train(features, labels, w, b, lr, num_epochs, batch_size):
    n = len(features)
    for _ in range(num_epochs):
        order = torch.randperm(n)
        for i in range(0, n, batch_size):
            rows = order[i : i + batch_size]
            squared_loss(linreg(features[rows], w, b), labels[rows]).sum().backward()
            sgd([w, b], lr, len(rows))
    return w, b
