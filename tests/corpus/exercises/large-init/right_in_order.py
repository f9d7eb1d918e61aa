import torch


def train_from(features, labels, sigma, lr, num_epochs, batch_size):
    w = sigma * torch.randn(features.shape[1], 1)
    b = torch.zeros(1)
    for _ in range(num_epochs):
        for X, y in zip(features.split(batch_size), labels.split(batch_size)):
            error = X @ w + b - y
            w -= lr * X.T @ error / len(X)
            b -= lr * error.mean()
    return w, b
