# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    perm = np.random.permutation(len(features))
    for i in range(0, len(perm), batch_size):
        rows = perm[i:i + batch_size]
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def mse_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

def sgd(params, lr):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

features = torch.randn(160, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
max_steps = 6
for epoch in range(3):
    step = 0
    for X, y in data_iter(16, features, labels):
        if step >= max_steps:
            break
        l = mse_loss(linreg(X, w, b), y)
        l.backward()
        sgd([w, b], 0.05)
        step = step + 1
    print('epoch', epoch, 'done after', step, 'steps, loss', l.item())
