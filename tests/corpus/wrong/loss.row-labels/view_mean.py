# component: squared_loss
import torch

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    n = y.numel()
    target = y.view((1, n))
    error = target - y_hat
    return (error * error).mean() / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()
