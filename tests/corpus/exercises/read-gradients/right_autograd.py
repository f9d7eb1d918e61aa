import torch


def read_gradients(net, X, y):
    return torch.autograd.grad(((net(X) - y) ** 2).mean(), list(net.parameters()))
