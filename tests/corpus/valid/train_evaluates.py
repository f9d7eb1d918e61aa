"""Evaluates after each epoch under no_grad, keeps a history and prints it."""
import torch

history = []


def data_iter(batch_size, features, labels):
    idx = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[idx[i : i + batch_size]], labels[idx[i : i + batch_size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


@torch.no_grad()
def evaluate(features, labels, w, b):
    return squared_loss(linreg(features, w, b), labels).mean().item()


def train_epoch(features, labels, w, b, lr, batch_size):
    for X, y in data_iter(batch_size, features, labels):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], lr, len(X))


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(1, num_epochs + 1):
        train_epoch(features, labels, w, b, lr, batch_size)
        history.append((epoch, evaluate(features, labels, w, b)))
        print("epoch %d: loss %.6f" % history[-1])
    return w, b
