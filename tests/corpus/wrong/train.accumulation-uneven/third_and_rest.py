# component: train
import torch

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return 0.5 * ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad
        p.grad.zero_()

def pieces(X, y):
    cut = len(X) // 3
    if cut == 0:
        return [(X, y)]
    return [(X[:cut], y[:cut]), (X[cut:], y[cut:])]

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            parts = pieces(X, y)
            for Xp, yp in parts:
                l = squared_loss(linreg(Xp, w, b), yp)
                l = l / len(parts)
                l.backward()
            sgd([w, b], lr, batch_size)
    return w, b
