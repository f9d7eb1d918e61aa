import torch


def second_derivative(f, x):
    return torch.autograd.functional.hessian(lambda x: f(x).sum(), x).diagonal()
