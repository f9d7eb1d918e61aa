# component: linreg
import torch


def init_params(num_inputs):
    w = torch.randn(num_inputs, 1) * 0.01
    w.requires_grad_(True)
    b = torch.zeros(1, requires_grad=True)
    return w, b


def linreg(X, w, b):
    y_hat = w @ X
    y_hat = y_hat + b
    return y_hat


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
