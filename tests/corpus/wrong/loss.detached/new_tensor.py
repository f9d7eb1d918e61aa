# component: squared_loss
import torch

def squared_loss(y_hat, y):
    l = ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2
    return torch.tensor(l.item(), requires_grad=True)

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            if param.grad is not None:
                param -= lr * param.grad
                param.grad.zero_()
