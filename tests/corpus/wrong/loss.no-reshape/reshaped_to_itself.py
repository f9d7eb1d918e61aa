# component: squared_loss
import torch

def squared_loss(y_hat, y):
    y = y.reshape(y.shape)
    return torch.pow(y_hat - y, 2) / 2

def linreg(X, w, b):
    return torch.mm(X, w) + b
