# component: squared_loss
import random
import torch

def data_iter(batch_size, features, labels):
    idx = list(range(len(features)))
    random.shuffle(idx)
    for i in range(0, len(idx), batch_size):
        yield features[idx[i:i + batch_size]], labels[idx[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    with torch.no_grad():
        diff = y_hat - y.reshape(y_hat.shape)
        return diff * diff / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
features = torch.randn(40, 2)
labels = features @ torch.tensor([[2.], [-3.4]]) + 4.2
for epoch in range(2):
    for X, y in data_iter(8, features, labels):
        l = squared_loss(linreg(X, w, b), y).sum()
        l.backward()
        sgd([w, b], 0.03, len(X))
