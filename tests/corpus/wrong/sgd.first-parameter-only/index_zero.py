# component: sgd
import torch

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size=1):
    with torch.no_grad():
        params[0] -= lr * params[0].grad
    for p in params:
        p.grad.zero_()
