"""The functions are defined inside an if, the fallback in the else."""
import sys

import torch

if sys.version_info >= (3, 5):

    def linreg(X, w, b):
        return X @ w + b

else:

    def linreg(X, w, b):
        return torch.matmul(X, w) + b


try:
    square = torch.square
except AttributeError:
    square = lambda t: t * t

if hasattr(torch, "no_grad"):

    def squared_loss(y_hat, y):
        return square(y_hat - y.reshape(y_hat.shape)) / 2
