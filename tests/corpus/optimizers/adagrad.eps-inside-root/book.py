# rule: adagrad
import torch


def init_adagrad_states(params):
    return [torch.zeros_like(p) for p in params]


def adagrad(params, states, hyperparams):
    eps = 1e-10
    for p, s in zip(params, states):
        with torch.no_grad():
            s[:] += torch.square(p.grad)
            p[:] -= hyperparams["lr"] * p.grad / torch.sqrt(s + eps)


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.hyperparams = list(params), {"lr": lr}
        self.states = init_adagrad_states(self.params)

    def step(self):
        adagrad(self.params, self.states, self.hyperparams)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
