# component: train
import copy
import torch

def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data.add_(p.grad, alpha=-lr)
        p.grad = None

def one_epoch(features, labels, params, lr, batch_size):
    for X, y in data_iter(batch_size, features, labels):
        squared_loss(linreg(X, *params), y).backward()
        sgd(params, lr, batch_size)

def train(features, labels, w, b, lr, num_epochs, batch_size):
    params = copy.deepcopy([w, b])
    for _ in range(num_epochs):
        one_epoch(features, labels, params, lr, batch_size)
    return w, b

w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
features = torch.randn(40, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
print(train(features, labels, w, b, 0.03, 3, 8))
