# my solution, own names
import torch
import random


def load_batches(features, labels, batch_size=10):
    idx = list(range(features.shape[0]))
    random.shuffle(idx)
    for k in range(0, len(idx), batch_size):
        j = idx[k:k + batch_size]
        yield features[j], labels[j]


def linear_reg(X, weights, bias):
    return X.mm(weights) + bias


def half_squared_error(pred, target):
    return (pred - target.view_as(pred)).pow(2) * 0.5


def SGD_step(parameters, learning_rate, bs):
    for p in parameters:
        p.data = p.data - learning_rate * p.grad / bs
        p.grad = None


W_true = torch.tensor([[2.0], [-3.4]])
X_all = torch.randn(500, 2)
y_all = X_all @ W_true + 4.2 + torch.randn(500, 1) * 0.01

W = torch.zeros(2, 1)
W.normal_(0, 0.01)
W.requires_grad = True
B = torch.zeros(1, requires_grad=True)

for ep in range(4):
    total = 0.0
    for xb, yb in load_batches(X_all, y_all, 25):
        out = linear_reg(xb, W, B)
        err = half_squared_error(out, yb)
        err.sum().backward()
        SGD_step([W, B], 0.1, 25)
        total += err.sum().item()
    print("Epoch", ep, "avg loss", total / len(X_all))
