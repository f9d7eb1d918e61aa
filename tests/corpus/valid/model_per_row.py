"""Model row by row in a list comprehension; loss sample by sample."""
import torch


def linreg(X, w, b):
    rows = [torch.dot(x, w[:, 0]) + b[0] for x in X]
    return torch.stack(rows).reshape(-1, 1)


def squared_loss(y_hat, y):
    losses = []
    for p, t in zip(y_hat.reshape(-1), y.reshape(-1)):
        losses.append((p - t) ** 2 / 2)
    return torch.stack(losses).reshape(-1, 1)
