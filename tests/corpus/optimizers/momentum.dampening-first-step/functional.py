# rule: sgd momentum=0.8 dampening=0.2
import torch


def init_momentum_states(params):
    return tuple(torch.zeros(p.shape, dtype=p.dtype) for p in params)


def sgd_momentum(params, states, hyperparams):
    damp = 1 - hyperparams["dampening"]
    for p, v in zip(params, states):
        with torch.no_grad():
            v[:] = hyperparams["momentum"] * v + damp * p.grad
            p[:] -= hyperparams["lr"] * v


class Optimizer:
    def __init__(self, params, lr):
        self.params = list(params)
        self.states = init_momentum_states(self.params)
        self.hyperparams = {"lr": lr, "momentum": 0.8, "dampening": 0.2}

    def step(self):
        sgd_momentum(self.params, self.states, self.hyperparams)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
