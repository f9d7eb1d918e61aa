"""Model by multiplying and summing; data by a plain list index."""
import random

import torch as t


def data_iter(batch_size, features, labels):
    idx = random.sample(range(len(features)), len(features))
    for k in range(0, len(idx), batch_size):
        chosen = idx[k : k + batch_size]
        yield features[chosen], labels[chosen]


def linreg(X, w, b):
    return (X * w.T).sum(dim=1, keepdim=True) + b


def squared_loss(y_hat, y):
    d = t.sub(y_hat, y.reshape(y_hat.shape))
    return t.div(t.mul(d, d), 2)


def sgd(params, lr, batch_size):
    with t.no_grad():
        for i in range(len(params)):
            params[i] -= params[i].grad * (lr / batch_size)
            params[i].grad = t.zeros_like(params[i])
