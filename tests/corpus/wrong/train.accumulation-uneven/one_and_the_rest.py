# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        rows = order[i:i + batch_size]
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def split(X, y):
    """Two workers; the first is slow and takes one example only."""
    return [(X[s], y[s]) for s in (slice(0, 1), slice(1, None)) if len(X[s]) > 0]

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            shards = split(X, y)
            means = [squared_loss(linreg(Xs, w, b), ys).mean() for Xs, ys in shards]
            gw, gb = torch.autograd.grad(sum(means) / len(means), [w, b])
            with torch.no_grad():
                w -= lr * gw
                b -= lr * gb
    return w, b
