# component: train
import torch

def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[perm[i:i + batch_size]], labels[perm[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2) / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data.sub_(lr * p.grad)
        p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    """Every batch is taken one example at a time, to save memory."""
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            for k in range(len(X)):
                squared_loss(linreg(X[k:k + 1], w, b), y[k:k + 1]).backward()
            sgd([w, b], lr, batch_size)
    return w, b
