import torch


def fresh_iter(batch_size, n, w, b, noise):
    for i in range(0, n, batch_size):
        X = torch.rand(min(batch_size, n - i), len(w))
        yield X, X @ w + b + noise * torch.randn(len(X), 1)
