import torch


def frobenius_squared(X):
    return torch.trace(X.T @ X)
