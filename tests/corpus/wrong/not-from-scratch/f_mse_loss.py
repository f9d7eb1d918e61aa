# component: squared_loss
import torch
import torch.nn.functional as F

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return F.mse_loss(y_hat, y.reshape(y_hat.shape)) / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()
