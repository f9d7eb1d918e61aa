# component: sgd
import torch

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def update(params, lr):
    for p in params:
        p.data -= lr * p.grad

def sgd(params, lr, batch_size):
    update(params, lr)
    for p in params:
        p.data -= lr * p.grad
    for p in params:
        p.grad.zero_()
