import torch


def huber_loss(y_hat, y, sigma):
    error = (y_hat - y).abs()
    return torch.where(error > sigma, error, error**2 / (2 * sigma))
