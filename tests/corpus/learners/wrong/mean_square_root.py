import torch
from IPython.display import clear_output


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    clear_output()
    return torch.sqrt(((y_hat - y.reshape(y_hat.shape)) ** 2).mean())
