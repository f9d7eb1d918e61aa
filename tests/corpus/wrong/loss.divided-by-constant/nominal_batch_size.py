# component: squared_loss
import torch

batch_size = 32

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    l = (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
    return l.sum() / batch_size

def sgd(params, lr, bs):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()
