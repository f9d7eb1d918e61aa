import torch


def absolute_loss(y_hat, y):
    return torch.tensor([abs(float(a) - float(b)) for a, b in zip(y_hat, y)]).reshape(-1, 1)
