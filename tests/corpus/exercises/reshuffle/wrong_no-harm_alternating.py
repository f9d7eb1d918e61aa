import torch


def malicious_data(n):
    X = torch.zeros(n, 1)
    y = torch.ones(n, 1)
    y[::2] = -1
    return X, y
