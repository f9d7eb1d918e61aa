# rule: adam
import torch


def init_adam_states(params):
    return [(torch.zeros_like(p), torch.zeros_like(p)) for p in params]


def adam(params, states, hyperparams):
    beta1, beta2, eps = 0.9, 0.999, 1e-8
    for p, (v, s) in zip(params, states):
        with torch.no_grad():
            v[:] = beta1 * v + (1 - beta1) * p.grad
            s[:] = beta2 * s + (1 - beta2) * torch.square(p.grad)
            p[:] -= hyperparams["lr"] * v / (torch.sqrt(s) + eps)
    hyperparams["t"] += 1


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.hyperparams = list(params), {"lr": lr, "t": 1}
        self.states = init_adam_states(self.params)

    def step(self):
        adam(self.params, self.states, self.hyperparams)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
