import torch


def frobenius_squared(X):
    return torch.linalg.norm(X)
