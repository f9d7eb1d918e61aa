# component: linreg
import torch

def linreg(X, w, b):
    z = X.matmul(w) + b
    a = torch.tanh(z)
    return a

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).sum() / (2 * len(y))
