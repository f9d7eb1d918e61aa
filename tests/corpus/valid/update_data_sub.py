"""Update by .data.sub_, gradient cleared in sgd through .grad.data."""
import torch


def sgd(params, lr, batch_size):
    for param in params:
        param.data.sub_(lr * param.grad / batch_size)
        param.grad.data.zero_()
