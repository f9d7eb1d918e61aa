"""Epochs by recursion, batches by next() until StopIteration."""
import torch


def data_iter(batch_size, features, labels):
    rows = torch.randperm(len(features))
    for part in rows.split(batch_size):
        yield features[part], labels[part]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def train(features, labels, w, b, lr, num_epochs, batch_size):
    if num_epochs == 0:
        return w, b
    batches = iter(data_iter(batch_size, features, labels))
    while (batch := next(batches, None)) is not None:
        X, y = batch
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], lr, len(y))
    return train(features, labels, w, b, lr, num_epochs - 1, batch_size)
