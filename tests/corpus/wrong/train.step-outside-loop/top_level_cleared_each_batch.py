# component: train
import torch

torch.manual_seed(3)

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return 0.5 * ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad

features = torch.randn(60, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss = linreg, squared_loss
for epoch in range(4):
    for X, y in data_iter(6, features, labels):
        w.grad = b.grad = None
        l = loss(net(X, w, b), y)
        l.backward()
    sgd([w, b], 0.1, 6)
