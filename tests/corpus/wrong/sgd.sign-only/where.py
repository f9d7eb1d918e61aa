# component: sgd
import random
import torch as t

def data_iter(batch_size, features, labels):
    idx = list(range(len(features)))
    random.shuffle(idx)
    for i in range(0, len(idx), batch_size):
        j = t.tensor(idx[i:i + batch_size])
        yield features[j], labels[j]

def linreg(X, w, b):
    return t.matmul(X, w) + b

def squared_loss(y_hat, y):
    return t.mean((y_hat - y.reshape(y_hat.shape)) ** 2 / 2)

def sgd(params, lr, batch_size):
    # go down by lr if the slope is positive, up by lr if negative
    with t.no_grad():
        for p in params:
            p += t.where(p.grad > 0, -lr, lr)
            p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for e in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            squared_loss(linreg(X, w, b), y).backward()
            sgd([w, b], lr, batch_size)
    return w, b
