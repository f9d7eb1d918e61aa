import torch


def robust_fit(features, labels):
    return torch.ones(features.shape[1], 1), torch.ones(1)
