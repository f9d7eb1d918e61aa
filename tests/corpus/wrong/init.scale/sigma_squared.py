# component: init_params
import torch as t

def init_params(num_inputs, sigma=0.01):
    w = t.empty(num_inputs, 1).normal_(mean=0, std=sigma ** 2)
    return w.requires_grad_(), t.zeros(1).requires_grad_()
