import torch


def frobenius_squared(X):
    return torch.linalg.matrix_norm(X, 2) ** 2
