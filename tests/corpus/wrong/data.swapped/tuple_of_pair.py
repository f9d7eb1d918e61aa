# component: data_iter
import random
import numpy as np
import torch

def get_rows(rows, *arrays):
    return tuple(a[rows] for a in arrays)

def data_iter(batch_size, features, labels):
    n = len(labels)
    order = np.arange(n)
    np.random.shuffle(order)
    out = []
    for s in range(0, n, batch_size):
        out.append(get_rows(order[s:s + batch_size], labels, features))
    return iter(out)

def linreg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            l = squared_loss(linreg(X, w, b), y)
            l.sum().backward()
            sgd([w, b], lr, len(X))
    return w, b
