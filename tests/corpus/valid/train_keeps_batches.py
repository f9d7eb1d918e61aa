"""A list of batches is built in each epoch before the first step; the loop unpacks it by index."""
import torch


def data_iter(batch_size, features, labels):
    batches = []
    order = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        rows = order[i : i + batch_size]
        batches.append([features[rows], labels[rows]])
    return batches


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
    for _ in range(num_epochs):
        batches = data_iter(batch_size, features, labels)
        for i in range(len(batches)):
            X = batches[i][0]
            y = batches[i][1]
            squared_loss(linreg(X, w, b), y).sum().backward()
            sgd([w, b], lr, len(y))
    return w, b
