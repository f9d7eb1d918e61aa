# component: init_params
import torch

def init_params(num_inputs):
    w = torch.normal(0, 0.01, size=(num_inputs, 1))
    b = torch.zeros(1, requires_grad=True)
    return w, b
