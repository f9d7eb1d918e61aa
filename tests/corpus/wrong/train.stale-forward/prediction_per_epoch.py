# component: train
import torch

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad / batch_size
        p.grad.zero_()

features = torch.randn(60, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss = linreg, squared_loss
for epoch in range(3):
    y_hat = net(features, w, b)
    l = loss(y_hat, labels)
    for X, y in data_iter(6, features, labels):
        l.sum().backward()
        sgd([w, b], 0.03, len(l))
