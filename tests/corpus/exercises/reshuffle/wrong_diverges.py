# sorted, but with features that no order can learn from at this learning rate
import torch


def malicious_data(n):
    X = torch.arange(n).float().reshape(-1, 1)
    return X, 2 * X + 1
