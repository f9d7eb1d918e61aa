# component: train
import torch

class SGD(object):
    """Minibatch stochastic gradient descent."""
    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def step(self):
        for p in self.params:
            p.data -= self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            p.grad = None

def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for rows in perm.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def fit_batch(X, y, w, b, optimizer):
    l = squared_loss(linreg(X, w, b), y)
    l.backward()
    optimizer.step()
    return l.item()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    optimizer = SGD([w, b], lr)
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            optimizer.zero_grad()
            fit_batch(X, y, w, b, optimizer)
            optimizer.step()
    return w, b
