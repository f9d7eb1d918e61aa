# component: squared_loss
import random
import torch

def loss(pred, target):
    target = target.reshape(pred.shape)
    err = pred + target
    return 0.5 * err * err

def model(X, w, b):
    return X.mm(w) + b

def batches(features, labels, batch_size):
    idx = list(range(len(features)))
    random.shuffle(idx)
    while len(idx) > 0:
        rows, idx = idx[:batch_size], idx[batch_size:]
        yield features[rows], labels[rows]

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()

X_all = torch.randn(50, 2)
y_all = X_all @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for e in range(3):
    for X, y in batches(X_all, y_all, 10):
        l = loss(model(X, w, b), y)
        l.sum().backward()
        sgd([w, b], 0.03, len(X))
