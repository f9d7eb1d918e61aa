# component: train
import torch

def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[perm[i:i + batch_size]], labels[perm[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)).square().mean() / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    steps = len(features) // batch_size - 1
    for epoch in range(num_epochs):
        for _, (X, y) in zip(range(steps), data_iter(batch_size, features, labels)):
            squared_loss(linreg(X, w, b), y).backward()
            sgd([w, b], lr, batch_size)
    return w, b
