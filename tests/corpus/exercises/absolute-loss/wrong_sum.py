import torch


def absolute_loss(y_hat, y):
    return torch.sum(torch.abs(y_hat - y))
