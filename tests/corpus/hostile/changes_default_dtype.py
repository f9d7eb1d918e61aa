"""Makes float64 the default dtype, again and again, and with it the initial parameters."""
import torch

torch.set_default_dtype(torch.float64)


def init_params(num_inputs):
    torch.set_default_dtype(torch.float64)
    w = torch.normal(0, 0.01, (num_inputs, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    return w, b
