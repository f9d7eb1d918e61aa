# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = torch.from_numpy(np.random.permutation(len(features)))
    for i in range(0, len(order), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return 0.5 * (y_hat - y.reshape(y_hat.shape)).square()

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= (lr / batch_size) * p.grad
        for p in params:
            p.grad.zero_()

features = torch.randn(68, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr, epochs, batch_size = 0.05, 4, 16
for epoch in range(1, epochs + 1):
    for X, y in data_iter(batch_size, features, labels):
        y_hat = linreg(X, w, b)
        squared_loss(y_hat, y).sum().backward()
        sgd([w, b], lr, batch_size)
    with torch.no_grad():
        print('epoch %2d   %.5f' % (epoch, squared_loss(linreg(features, w, b), labels).mean()))
