# component: train
import torch as t

def data_iter(features, labels, batch_size):
    order = t.randperm(len(features))
    for rows in t.split(order, batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def SGD(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad.data / batch_size
        p.grad.data.zero_()

features = t.randn(50, 2)
labels = features @ t.tensor([[2.0], [-3.4]]) + 4.2
w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
for epoch in range(3):
    for X, y in data_iter(features, labels, 8):
        loss = squared_loss(linreg(X, w, b), y).mean()
        loss.backward()
        SGD((w, b), 0.03, len(y))
    print('loss', loss.item())
