import torch


def huber_loss(y_hat, y, sigma):
    error = (y_hat - y.reshape(y_hat.shape)).abs()
    return torch.where(error > sigma, error - sigma / 2, error**2 / (2 * sigma))
