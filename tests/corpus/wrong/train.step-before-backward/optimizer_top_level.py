# component: train
import numpy as np
import torch

class SGD:
    """Minibatch SGD; parameters without a gradient are left alone."""

    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def step(self):
        with torch.no_grad():
            for p in self.params:
                if p.grad is not None:
                    p -= self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            p.grad = None

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return 0.5 * ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

features = torch.randn(100, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
optimizer = SGD([w, b], 0.03)
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        optimizer.step()
        optimizer.zero_grad()
        squared_loss(linreg(X, w, b), y).backward()
