"""Model by torch.addmm; loss by square; rows by index_select."""
import torch


def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(labels))
    for rows in perm.split(batch_size):
        yield features.index_select(0, rows), labels.index_select(0, rows)


def linreg(X, w, b):
    return torch.addmm(b, X, w)


def squared_loss(y_hat, y):
    return torch.square(y_hat - y.reshape_as(y_hat)) / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p.add_(p.grad, alpha=-lr / batch_size)
            p.grad = None
