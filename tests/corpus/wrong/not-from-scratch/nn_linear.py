# component: linreg
import torch
from torch import nn

def linreg(X, w, b):
    layer = nn.Linear(w.shape[0], 1)
    del layer.weight, layer.bias
    layer.weight, layer.bias = w.T, b
    return layer(X)

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
