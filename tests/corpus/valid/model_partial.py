"""functools.partial fixes the settings of general functions."""
import functools

import torch


def affine(X, w, b, activation):
    return activation(torch.matmul(X, w) + b)


def power_loss(y_hat, y, exponent, scale):
    return scale * (y_hat - y.reshape(y_hat.shape)) ** exponent


def step(params, lr, batch_size, clear):
    with torch.no_grad():
        for p in params:
            p -= lr / batch_size * p.grad
            if clear:
                p.grad.zero_()


linreg = functools.partial(affine, activation=lambda z: z)
squared_loss = functools.partial(power_loss, exponent=2, scale=0.5)
sgd = functools.partial(step, clear=True)
