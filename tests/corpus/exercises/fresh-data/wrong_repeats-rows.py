import torch


def fresh_iter(batch_size, n, w, b, noise):
    X = torch.randn(batch_size, len(w))
    for i in range(0, n, batch_size):
        part = X[: min(batch_size, n - i)]
        yield part, part @ w + b + noise * torch.randn(len(part), 1)
