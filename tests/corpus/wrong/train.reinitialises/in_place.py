# component: train
import torch

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def start_epoch(w, b):
    with torch.no_grad():
        w.normal_(0, 0.01)
        b.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        if epoch > 0:
            start_epoch(w, b)
        for X, y in data_iter(batch_size, features, labels):
            squared_loss(linreg(X, w, b), y).backward()
            sgd([w, b], lr, batch_size)
    return w, b
