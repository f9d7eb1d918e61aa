import torch


def second_derivative(f, x):
    x.requires_grad_()
    y = f(x).sum()
    y.backward(create_graph=True)
    (second,) = torch.autograd.grad(x.grad.sum(), x)
    return x.grad + second
