"""Mean loss as a dot product over twice the length; clears with None before backward."""
import torch


def linreg(X, w, b):
    return torch.add(X @ w, b)


def squared_loss(y_hat, y):
    r = y_hat.reshape(-1) - y.reshape(-1)
    return torch.dot(r, r) / (2 * len(r))


def sgd(params, lr, batch_size=None):
    with torch.no_grad():
        for p in params:
            p.sub_(lr * p.grad)


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for rows in torch.randperm(features.shape[0]).split(batch_size):
            w.grad = b.grad = None
            squared_loss(linreg(features[rows], w, b), labels[rows]).backward()
            sgd([w, b], lr, len(rows))
    return w, b
