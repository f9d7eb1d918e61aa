import torch


def linreg(X, w, b):
    return (X @ w + b).detach().to_sparse()


def squared_loss(y_hat, y):
    return torch.empty(y_hat.shape, device="meta")
