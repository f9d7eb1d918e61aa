# one step an epoch
import torch


def train_from(features, labels, sigma, lr, num_epochs, batch_size):
    w = sigma * torch.randn(features.shape[1], 1)
    b = torch.zeros(1)
    for _ in range(num_epochs):
        error = features @ w + b - labels
        w -= lr * features.T @ error / len(features)
        b -= lr * error.mean()
    return w, b
