# component: sgd
import torch

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    n = float(batch_size)
    for theta in params:
        theta.data.add_(theta.grad.data * (-lr / (n * n)))
        theta.grad = None
