"""The step is computed first, for all parameters, then applied with map and a nested function."""
import torch


def sgd(params, lr, batch_size):
    def apply(param, delta):
        param.data += delta
        param.grad.zero_()

    deltas = [-(lr * p.grad) / batch_size for p in params]
    for param, delta in zip(params, deltas):
        apply(param, delta)
