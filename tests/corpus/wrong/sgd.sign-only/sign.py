# component: sgd
import torch

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * torch.sign(param.grad)
            param.grad.zero_()
