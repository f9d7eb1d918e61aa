# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        rows = torch.from_numpy(order[i:i + batch_size])
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.mm(X, w) + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

class SGD:
    def __init__(self, params, lr):
        self.params = params
        self.lr = lr
    def step(self):
        for p in self.params:
            p.data -= self.lr * p.grad
    def zero_grad(self):
        for p in self.params:
            p.grad = None

features = torch.randn(98, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
opt = SGD([w, b], 0.1)
for epoch in range(2):
    for X, y in data_iter(14, features, labels):
        opt.zero_grad()
        Xs, ys = X.chunk(4), y.chunk(4)
        for Xm, ym in zip(Xs, ys):
            l = squared_loss(linreg(Xm, w, b), ym) / len(Xs)
            l.backward()
        opt.step()
