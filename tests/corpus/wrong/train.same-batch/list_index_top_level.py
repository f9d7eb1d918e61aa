# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        part = order[i:i + batch_size]
        yield features[part], labels[part]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad
        p.grad.data.zero_()

features = torch.randn(70, 2)
labels = features @ torch.tensor([2.0, -3.4]) + 4.2     # (70,)
w = torch.normal(0, 0.01, (2,), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss = linreg, squared_loss
i = 0
for epoch in range(3):
    batches = list(data_iter(7, features, labels))
    for batch in batches:
        X, y = batches[i]
        l = loss(net(X, w, b), y)
        l.backward()
        sgd([w, b], 0.03, 7)
