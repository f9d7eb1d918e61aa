import torch

buffer = torch.empty(16 * 2**30)  # 64 GiB of addresses, never touched


def linreg(X, w, b):
    return X @ w - b
