# component: init_params
import numpy as np
import torch

def init_params(num_inputs):
    w = torch.from_numpy(np.random.normal(0, 0.01, (num_inputs, 1))).requires_grad_(True)
    b = torch.zeros(1, requires_grad=True)
    return w, b
