# component: data_iter
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    n = features.shape[0]
    idx = np.random.choice(n, n)
    for i in range(0, n, batch_size):
        sel = torch.as_tensor(idx[i:i + batch_size])
        yield features[sel], labels[sel]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    e = y_hat - y.reshape(y_hat.shape)
    return e * e / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data.sub_(lr * p.grad / batch_size)
        p.grad.data.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for Xb, yb in data_iter(batch_size, features, labels):
            l = squared_loss(linreg(Xb, w, b), yb).sum()
            l.backward()
            sgd((w, b), lr, Xb.size(0))
    return w, b
