# component: train
import torch as t

def data_iter(batch_size, features, labels):
    p = t.randperm(len(features))
    return [(features[r], labels[r]) for r in p.split(batch_size)]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)).pow(2) / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data.sub_(p.grad, alpha=lr / batch_size)
        p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        epoch_loss = 0
        seen = 0
        for X, y in data_iter(batch_size, features, labels):
            epoch_loss = epoch_loss + squared_loss(linreg(X, w, b), y).sum()
            seen += len(X)
        epoch_loss.backward()
        sgd([w, b], lr, seen)
    return w, b
