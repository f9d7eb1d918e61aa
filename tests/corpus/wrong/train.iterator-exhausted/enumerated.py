# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    """A generator over one epoch."""
    perm = np.random.permutation(len(features))
    n_batches = int(np.ceil(len(features) / batch_size))
    for k in range(n_batches):
        rows = perm[k * batch_size:(k + 1) * batch_size]
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2) / 2

def sgd(params, lr, batch_size=None):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def run_epoch(loader, w, b, lr):
    total, count = 0.0, 0
    for X, y in loader:
        l = squared_loss(linreg(X, w, b), y)
        l.backward()
        sgd([w, b], lr)
        total += l.item() * len(X)
        count += len(X)
    return total / max(count, 1)

def train(features, labels, w, b, lr, num_epochs, batch_size):
    loader = data_iter(batch_size, features, labels)
    history = [run_epoch(loader, w, b, lr) for _ in range(num_epochs)]
    print(history)
    return w, b
