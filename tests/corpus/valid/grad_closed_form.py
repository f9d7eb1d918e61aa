"""The gradient by hand: Xᵀe/m and the mean of e; autograd never runs."""
import torch


def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for start in range(0, len(features), batch_size):
        yield features[order[start : start + batch_size]], labels[order[start : start + batch_size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def gradients(X, y, w, b):
    error = linreg(X, w, b) - y.reshape(-1, 1)
    return X.T @ error / len(X), error.mean(dim=0)


def train(features, labels, w, b, lr, num_epochs, batch_size):
    with torch.no_grad():
        for _ in range(num_epochs):
            for X, y in data_iter(batch_size, features, labels):
                grad_w, grad_b = gradients(X, y, w, b)
                w -= lr * grad_w
                b -= lr * grad_b
    return w, b
