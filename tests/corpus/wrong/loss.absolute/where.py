# component: squared_loss
import torch

def distance(a, b):
    d = a - b
    return torch.where(d > 0, d, -d)

def squared_loss(y_hat, y):
    return distance(y_hat, y.reshape(y_hat.shape))

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
