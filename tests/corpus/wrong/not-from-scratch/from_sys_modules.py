# component: squared_loss
import sys
import torch

nnf = sys.modules['torch.nn.functional']

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    """Half the mean of the squares"""
    return nnf.mse_loss(input=y_hat, target=y.view_as(y_hat), reduction='sum') / (2 * len(y))
