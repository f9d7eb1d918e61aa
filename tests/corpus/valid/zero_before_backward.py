"""Cleared at the top of every step, by a function of its own that allows for None."""
import torch


def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for i in range(0, len(order), batch_size):
        yield features[order[i : i + batch_size]], labels[order[i : i + batch_size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def zero_grad(params):
    for p in params:
        if p.grad is not None:
            p.grad.detach_()
            p.grad.zero_()


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size


def train(features, labels, w, b, lr, num_epochs, batch_size):
    epoch = 0
    while epoch < num_epochs:
        for X, y in data_iter(batch_size, features, labels):
            zero_grad([w, b])
            loss = squared_loss(linreg(X, w, b), y)
            loss.sum().backward()
            sgd([w, b], lr, batch_size=y.numel())
        epoch += 1
    return w, b
