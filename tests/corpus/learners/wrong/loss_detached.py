import torch


def squared_loss(y_hat, y):
    """均方损失"""
    y_hat = y_hat.detach()
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).requires_grad_()


def linreg(X, w, b):
    return torch.matmul(X, w) + b
