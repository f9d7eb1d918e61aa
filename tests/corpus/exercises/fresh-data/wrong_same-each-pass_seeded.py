import torch


def fresh_iter(batch_size, n, w, b, noise):
    torch.manual_seed(0)
    X = torch.randn(n, len(w))
    y = X @ w + b + noise * torch.randn(n, 1)
    return zip(X.split(batch_size), y.split(batch_size))
