# component: sgd
import torch

def sgd(params, lr, batch_size):
    for p in params:
        with torch.no_grad():
            step = lr / batch_size * p.grad
        p.sub_(step)
        p.grad.zero_()
