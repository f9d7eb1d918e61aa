# component: train
import numpy as np
import torch

torch.manual_seed(20)
X_all = torch.randn(84, 4)
y_all = X_all @ torch.tensor([[1.0], [-1.0], [2.0], [0.3]]) - 2 + 0.01 * torch.randn(84, 1)

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size

w = torch.normal(0, 0.01, size=(4, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss = linreg, squared_loss
params = [w, b]
for epoch in range(3):
    for X, y in data_iter(12, X_all, y_all):
        l = loss(net(X, w, b), y).sum()
        l.backward()
        sgd(params, 0.02, len(X))
        params[0].grad.zero_()
    print(epoch + 1, float(l) / len(X))
