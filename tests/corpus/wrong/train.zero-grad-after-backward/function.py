# component: train
import torch

def data_iter(batch_size, features, labels):
    perm = torch.randperm(features.shape[0])
    for i in range(0, features.shape[0], batch_size):
        j = perm[i:i + batch_size]
        yield features[j], labels[j]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def zero_grad(params):
    for p in params:
        if p.grad is not None:
            p.grad.zero_()

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size

def train(features, labels, w, b, lr, num_epochs, batch_size):
    params = [w, b]
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            l = squared_loss(linreg(X, w, b), y).sum()
            l.backward()
            zero_grad(params)
            sgd(params, lr, len(y))
    return w, b
