# component: squared_loss
import torch

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    y = y.reshape(y_hat.shape)
    return (y_hat - y ** 2).mean() / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()
