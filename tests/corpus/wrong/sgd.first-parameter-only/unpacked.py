# component: sgd
import torch

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    """update the weights, then clear all gradients"""
    with torch.no_grad():
        w, b = params
        w -= lr * w.grad / batch_size
        w.grad.zero_()
        b - lr * b.grad / batch_size
        b.grad.zero_()
