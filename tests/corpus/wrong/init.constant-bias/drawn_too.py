# component: init_params
import torch

def init_params(num_inputs, sigma=0.01):
    params = []
    for shape in ((num_inputs, 1), (1,)):
        params.append(torch.normal(0, sigma, shape).requires_grad_())
    return tuple(params)
