import torch


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()


def sgd_momentum(params, vs, lr, momentum, batch_size):
    with torch.no_grad():
        for p, v in zip(params, vs):
            v[:] = momentum * v + p.grad / batch_size
            p -= lr * v
            p.grad.zero_()
