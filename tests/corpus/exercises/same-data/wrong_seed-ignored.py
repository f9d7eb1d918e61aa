import torch


def same_iter(batch_size, n, w, b, noise, seed):
    generator = torch.Generator().manual_seed(42)
    X = torch.randn(n, len(w), generator=generator)
    y = X @ w + b + noise * torch.randn(n, 1, generator=generator)
    return zip(X.split(batch_size), y.split(batch_size))
