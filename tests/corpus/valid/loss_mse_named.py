"""The loss without the half, under its own name, and used by the loop."""
import torch


def linreg(X, w, b):
    return X.matmul(w) + b


def mse_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()
