"""Works on a clone in place: clone, sub_, square, halve."""
import torch


def squared_loss(y_hat, y):
    error = y_hat.clone()
    error.sub_(y.view_as(error))
    return error.square().mul_(0.5)
