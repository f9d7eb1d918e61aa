"""Starred parameters, keyword defaults and a match statement."""
import torch


def linreg(X, *parameters):
    match parameters:
        case (w, b):
            return X @ w + b
        case _:
            raise TypeError("linreg takes X, w, b")


def sgd(params, lr=0.03, batch_size=1, *_, clear=True, **__):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            if clear:
                p.grad.zero_()
