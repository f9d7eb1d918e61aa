# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        rows = torch.as_tensor(order[i:i + batch_size])
        yield features[rows], labels[rows]

def linear_reg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    return ((y_hat - y.view(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr):
    for p in params:
        p.data = p.data - lr * p.grad
        p.grad = None

features = torch.randn(120, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)

batches = data_iter(20, features, labels)
for epoch in range(5):
    for X, y in batches:
        l = squared_loss(linear_reg(X, w, b), y)
        l.backward()
        sgd([w, b], 0.1)
    print('epoch', epoch, 'w', w.detach().flatten().tolist(), 'b', b.item())
