import torch


def same_iter(batch_size, n, w, b, noise, seed):
    for i in range(0, n, batch_size):
        X = torch.randn(min(batch_size, n - i), len(w))
        yield X, X @ w + b + noise * torch.randn(len(X), 1)
