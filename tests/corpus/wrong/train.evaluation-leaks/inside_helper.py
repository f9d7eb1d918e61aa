# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        j = torch.from_numpy(order[i:i + batch_size])
        yield features[j], labels[j]

def linreg(X, w, b):
    return X.matmul(w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad / batch_size
        p.grad.zero_()

def loss_on(X, y, w, b):
    l = squared_loss(linreg(X, w, b), y).mean()
    l.backward()
    return l.item()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    curve = []
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            squared_loss(linreg(X, w, b), y).sum().backward()
            sgd([w, b], lr, len(X))
        curve.append(loss_on(features, labels, w, b))
    print(['%.4f' % c for c in curve])
    return w, b
