# the book's truth, remembered
import torch


def fresh_iter(batch_size, n, w, b, noise):
    w, b = torch.tensor([[2.0], [-3.4]]), 4.2
    for i in range(0, n, batch_size):
        X = torch.randn(min(batch_size, n - i), len(w))
        yield X, X @ w + b + noise * torch.randn(len(X), 1)
