"""Right formulas, but gradients are switched off for good."""
import torch

torch.set_grad_enabled(False)


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    torch._C._set_grad_enabled(False)
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
