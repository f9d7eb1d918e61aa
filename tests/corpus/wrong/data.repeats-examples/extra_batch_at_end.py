# component: data_iter
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    n = len(features)
    order = np.random.permutation(n)
    for i in range(0, n, batch_size):
        rows = torch.from_numpy(order[i:min(i + batch_size, n)])
        yield features[rows], labels[rows]
    # what is left over
    rows = torch.from_numpy(order[-batch_size:])
    yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.mm(X, w) + b

def squared_loss(y_hat, y):
    return torch.square(y_hat - y.reshape(y_hat.shape)) / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p.copy_(p - lr * p.grad / batch_size)
            p.grad.zero_()
