# component: sgd
import torch

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    for param in params:
        g = param.grad / batch_size
        direction = g / (g.abs() + 1e-12)
        param.data -= lr * direction
        param.grad.zero_()
