# component: squared_loss
import random
import torch

torch.manual_seed(7)
X_all = torch.randn(90, 2)
y_all = X_all @ torch.tensor([2.0, -3.4]) + 4.2 + 0.01 * torch.randn(90)   # (90,)

def data_iter(batch_size, features, labels):
    rows = list(range(len(features)))
    random.shuffle(rows)
    for i in range(0, len(rows), batch_size):
        yield features[rows[i:i + batch_size]], labels[rows[i:i + batch_size]]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    y.reshape(y_hat.shape)
    return (y_hat - y) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
for epoch in range(3):
    for X, y in data_iter(9, X_all, y_all):
        l = loss(net(X, w, b), y)
        l.sum().backward()
        sgd([w, b], 0.003, len(y))
    print(epoch, loss(net(X_all, w, b), y_all).mean().item())
