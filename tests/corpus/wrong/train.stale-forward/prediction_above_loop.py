# component: train
import torch

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    return [(features[rows], labels[rows]) for rows in order.split(batch_size)]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        batches = data_iter(batch_size, features, labels)
        losses = [squared_loss(linreg(X, w, b), y) for X, y in batches[:1]]
        for X, y in batches:
            losses[-1].backward()
            sgd([w, b], lr, len(X))
    return w, b
