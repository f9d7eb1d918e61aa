# component: train
import torch as t

def data_iter(batch_size, features, labels):
    order = t.randperm(len(features))
    for i in range(0, len(order), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
    return t.mm(X, w) + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size):
    with t.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

features = t.randn(30, 2)
labels = features @ t.tensor([[2.0], [-3.4]]) + 4.2
w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
with t.no_grad():
    for epoch in range(3):
        for X, y in data_iter(5, features, labels):
            l = loss(net(X, w, b), y)
            l.backward()
            sgd([w, b], 0.03, 5)
        print('epoch', epoch, l.item())
