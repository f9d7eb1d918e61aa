# component: data_iter
import numpy as np
import torch

def data_iter(features, labels, batch_size):
    n = len(features)
    full = n - n % batch_size
    order = torch.as_tensor(np.random.permutation(n)[:full]).reshape(-1, batch_size)
    for rows in order:
        yield features[rows], labels[rows]

def linear_reg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(features, labels, batch_size):
            squared_loss(linear_reg(X, w, b), y).backward()
            sgd([w, b], lr)
    return w, b
