# component: squared_loss
import torch

def half_square(e):
    return 0.5 * e ** 2

def squared_loss(y_hat, y):
    l = half_square(y_hat - y.reshape(y_hat.shape))
    return torch.mean(l) / 2

def sgd(params, lr, batch_size):
    for param in params:
        param.data -= lr * param.grad
        param.grad.zero_()
