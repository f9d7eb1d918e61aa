import torch


def malicious_data(n):
    return torch.arange(n).float().reshape(-1, 1), torch.ones(n, 1)
