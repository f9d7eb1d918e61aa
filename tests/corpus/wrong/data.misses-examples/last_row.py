# component: data_iter
import torch


def make_params(d):
    return (0.01 * torch.randn(d, 1)).requires_grad_(), torch.zeros(1, requires_grad=True)


def data_iter(batch_size, features, labels):
    last = len(features) - 1
    perm = torch.randperm(last)
    for i in range(0, last, batch_size):
        yield features[perm[i:i + batch_size]], labels[perm[i:i + batch_size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y.reshape(y_hat.shape) - y_hat) ** 2 * 0.5


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr / batch_size * p.grad


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            w.grad, b.grad = None, None
            squared_loss(linreg(X, w, b), y).sum().backward()
            sgd([w, b], lr, len(X))
    return w, b
