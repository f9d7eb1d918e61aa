"""params may be a generator; gradients that are None are skipped; nothing is cleared here."""
import torch


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            if param.grad is None:
                continue
            param -= (lr / batch_size) * param.grad
