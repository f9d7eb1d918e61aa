"""Initial parameters drawn in NumPy, turned to float32 leaves."""
import numpy as np
import torch


def init_params(num_inputs):
    w = torch.tensor(np.random.normal(0, 0.01, (num_inputs, 1)), dtype=torch.float32, requires_grad=True)
    b = torch.zeros(1, dtype=torch.float32, requires_grad=True)
    return w, b
