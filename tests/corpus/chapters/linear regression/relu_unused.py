import torch


def relu(X):
    return torch.max(X, torch.zeros_like(X))


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
