import torch


def linreg(X, w, b):
    return (X @ w + b).to(torch.float16)


def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).round().int()
