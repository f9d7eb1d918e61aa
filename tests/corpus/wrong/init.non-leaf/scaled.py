# component: init_params
import torch

def init_params(num_inputs):
    w = torch.randn(num_inputs, 1, requires_grad=True) * 0.01
    b = torch.zeros(1, requires_grad=True)
    return w, b
