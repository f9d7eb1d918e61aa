"""Scaled first, made a leaf afterwards: detach, then requires_grad_."""
import torch


def init_params(num_inputs):
    w = (0.01 * torch.randn((num_inputs, 1))).detach().requires_grad_(True)
    b = torch.tensor([0.0], requires_grad=True)
    return w, b
