# component: squared_loss
import torch

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    y = y.reshape(y_hat.shape)
    total = 0
    for p, t in zip(y_hat, y):
        total = total + 0.5 * (p - t) ** 2
    return total.squeeze()

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()
