"""set_grad_enabled switches recording off for the step; addcdiv divides."""
import torch


def sgd(params, lr, batch_size):
    with torch.set_grad_enabled(False):
        for p in params:
            divisor = torch.full_like(p, batch_size)
            p.addcdiv_(p.grad, divisor, value=-lr)
            p.grad.fill_(0.0)
