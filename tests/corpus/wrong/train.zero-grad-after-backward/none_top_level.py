# component: train
import random
import torch as t

features = t.randn(72, 2)
labels = (features * t.tensor([2.0, -3.4])).sum(1, keepdim=True) + 4.2

def data_iter(batch_size, features, labels):
    rows = random.sample(range(len(features)), len(features))
    for i in range(0, len(rows), batch_size):
        yield features[rows[i:i + batch_size]], labels[rows[i:i + batch_size]]

def linreg(X, w, b):
    return t.mm(X, w) + b

def squared_loss(y_hat, y):
    return ((y_hat - y.view(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr, batch_size):
    for p in params:
        if p.grad is not None:
            p.data -= lr * p.grad

w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
for epoch in range(2):
    for X, y in data_iter(9, features, labels):
        squared_loss(linreg(X, w, b), y).backward()
        w.grad = None; b.grad = None
        sgd([w, b], 0.05, 9)
