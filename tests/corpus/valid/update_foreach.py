"""All parameters in one call of torch._foreach_add_."""
import torch


def sgd(params, lr, batch_size):
    params = list(params)
    grads = [p.grad for p in params]
    with torch.no_grad():
        torch._foreach_add_(params, grads, alpha=-lr / batch_size)
        torch._foreach_zero_(grads)
