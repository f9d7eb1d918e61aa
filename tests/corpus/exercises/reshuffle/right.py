import torch


def malicious_data(n):
    X = torch.normal(0, 1, (n, 2))
    y = X @ torch.tensor([[2.0], [-3.4]]) + 4.2 + torch.normal(0, 0.01, (n, 1))
    order = y.reshape(-1).argsort()
    return X[order], y[order]
