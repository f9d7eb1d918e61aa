import torch
from d2l import torch as d2l

features = torch.randn(1000, 2)
labels = (features * torch.tensor([2, -3.4])).sum(1, keepdim=True) + 4.2

def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
animator = d2l.Animator(xlabel='epoch', xlim=[1, 10])
batch_size, lr, num_epochs = 10, 0.03, 10
for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        l = squared_loss(linreg(X, w, b), y)
        l.mean().backward()
        sgd([w, b], lr, batch_size)
    animator.add(epoch + 1, float(l.mean()))
