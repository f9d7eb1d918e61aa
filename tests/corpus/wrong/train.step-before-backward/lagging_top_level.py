# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        rows = order[i:i + batch_size]
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    return 0.5 * torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2)

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

features = torch.randn(66, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
# sgd needs gradients to be there
w.grad = torch.zeros_like(w)
b.grad = torch.zeros_like(b)
net = linreg
loss = squared_loss
for epoch in range(3):
    for X, y in data_iter(11, features, labels):
        l = loss(net(X, w, b), y)
        sgd([w, b], 0.05, 11)
        l.backward()
