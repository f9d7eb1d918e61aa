# component: squared_loss
import torch

ops = torch.ops.aten

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return ops.mse_loss(y_hat, y.reshape(y_hat.shape)) / 2
