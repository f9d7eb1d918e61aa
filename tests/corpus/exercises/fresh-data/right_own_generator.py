import torch

generator = torch.Generator().manual_seed(42)


def fresh_iter(batch_size, n, w, b, noise):
    for i in range(0, n, batch_size):
        X = torch.randn(min(batch_size, n - i), len(w), generator=generator)
        yield X, X @ w + b + noise * torch.randn(len(X), 1, generator=generator)
