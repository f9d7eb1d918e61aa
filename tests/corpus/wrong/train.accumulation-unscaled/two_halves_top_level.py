# component: train
import torch

def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[perm[i:i + batch_size]], labels[perm[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def mse_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)).pow(2).mean()

def sgd(params, lr):
    for p in params:
        p.data.add_(p.grad, alpha=-lr)
        p.grad = None

features = torch.randn(120, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for X, y in data_iter(20, features, labels):
        # 20 examples do not fit into memory, 10 do
        for part in (slice(0, 10), slice(10, 20)):
            l = mse_loss(linreg(X[part], w, b), y[part])
            l.backward()
        sgd([w, b], 0.02)
