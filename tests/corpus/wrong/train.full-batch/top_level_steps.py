# component: train
import torch

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.mm(X, w) + b

def squared_loss(y_hat, y):
    return 0.5 * (y_hat - y.reshape(y_hat.shape)) ** 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p.sub_(lr * p.grad / batch_size)
            p.grad.zero_()

x_train = torch.randn(50, 2)
y_train = x_train @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
batch_size = 5
for epoch in range(3):
    for x, y in data_iter(batch_size, x_train, y_train):
        y_hat = net(x_train, w, b)
        l = loss(y_hat, y_train).sum()
        l.backward()
        sgd([w, b], 0.03, len(y_hat))
