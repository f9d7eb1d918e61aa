"""Initial parameters as nn.Parameter, filled in place; a list is returned."""
import torch
from torch import nn


def init_params(num_inputs):
    w = nn.Parameter(torch.empty(num_inputs, 1))
    b = nn.Parameter(torch.empty(1))
    nn.init.normal_(w, mean=0.0, std=0.01)
    nn.init.zeros_(b)
    return [w, b]
