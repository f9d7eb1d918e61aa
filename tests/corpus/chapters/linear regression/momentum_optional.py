import torch


def linreg(X, w, b):
    return X @ w + b


def sgd(params, lr, batch_size, momentum=0, velocity=None):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()
