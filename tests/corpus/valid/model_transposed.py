"""Model as (wᵀXᵀ)ᵀ; per-example loss by a product."""
import torch


def linreg(X, w, b):
    return (w.T @ X.T).T + b


def squared_loss(y_hat, y):
    error = y_hat - y.reshape(-1, 1)
    return error * error / 2
