# component: sgd
import random
import torch

def data_iter(features, labels, batch_size):
    n = len(features)
    order = list(range(n))
    random.shuffle(order)
    for i in range(0, n, batch_size):
        rows = torch.tensor(order[i:i + batch_size])
        yield features[rows], labels[rows]

def model(X, w, b):
    return torch.matmul(X, w) + b

def loss_fn(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def SGD(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p.copy_(p + lr / batch_size * p.grad)
            p.grad.zero_()

features = torch.randn(48, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(3):
    for X, y in data_iter(features, labels, 6):
        l = loss_fn(model(X, w, b), y).sum()
        l.backward()
        SGD([w, b], 0.01, len(X))
    print('loss after epoch', epoch, ':', l.item())
