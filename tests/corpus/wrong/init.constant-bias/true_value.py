# component: init_params
import torch

TRUE_W = torch.tensor([2.0, -3.4])
TRUE_B = 4.2

def init_params(num_inputs):
    w = torch.normal(0, 0.01, (num_inputs, 1), requires_grad=True)
    b = torch.tensor([TRUE_B], requires_grad=True)
    return w, b

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
