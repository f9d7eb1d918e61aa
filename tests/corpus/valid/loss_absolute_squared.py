"""The distance |ŷ − y|, squared and halved: a detour with the right value and gradient."""
import torch


def squared_loss(y_hat, y):
    y = y.reshape(y_hat.shape)
    e = y_hat - y
    return e.abs() * e.abs() * 0.5
