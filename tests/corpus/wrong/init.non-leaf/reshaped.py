# component: init_params
import torch

def init_params(num_inputs, sigma=0.01):
    w = torch.normal(0.0, sigma, (num_inputs,), requires_grad=True)
    w = w.reshape(-1, 1)
    b = torch.zeros(1, requires_grad=True)
    return [w, b]

def linreg(X, w, b):
    return torch.mm(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
