# component: squared_loss
import torch

def linreg(X, w, b):
    return X @ w + b

def squared_loss(prediction, target):
    # 1/2 (prediction - target)^2, for each example
    residual = torch.sub(target, prediction)
    return residual.mul(residual).div(2)

def sgd(params, lr, batch_size):
    for p in params:
        p.data.sub_(p.grad, alpha=lr / batch_size)
        p.grad = None
