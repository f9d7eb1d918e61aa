# component: squared_loss
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(features.shape[0])
    for i in range(0, order.size, batch_size):
        pick = torch.from_numpy(order[i:i + batch_size])
        yield features[pick], labels[pick]

def linreg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    e = y_hat - y.reshape(y_hat.shape)
    return torch.sum(e * e) / e.numel()

def sgd(params, lr, batch_size):
    # the loss is a mean: nothing to divide here
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

features = torch.randn(100, 2)
labels = features @ torch.tensor([[2.], [-3.4]]) + 4.2
w = torch.normal(0., 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        loss(net(X, w, b), y).backward()
        sgd([w, b], 0.03, 10)
