# component: data_iter
import torch

def data_iter(features, labels, batch_size):
    return zip(features.split(batch_size), labels.split(batch_size))

def linear_reg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

features = torch.randn(75, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for X, y in data_iter(features, labels, 10):
        l = squared_loss(linear_reg(X, w, b), y)
        l.backward()
        sgd([w, b], 0.03)
