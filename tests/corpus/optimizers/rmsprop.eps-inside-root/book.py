# rule: rmsprop
import torch


def rmsprop(params, states, hyperparams):
    gamma, eps = hyperparams["gamma"], 1e-8
    for p, s in zip(params, states):
        with torch.no_grad():
            s[:] = gamma * s + (1 - gamma) * torch.square(p.grad)
            p[:] -= hyperparams["lr"] * p.grad / torch.sqrt(s + eps)


class Optimizer:
    def __init__(self, params, lr):
        self.params = list(params)
        self.states = [torch.zeros_like(p) for p in self.params]
        self.hyperparams = {"lr": lr, "gamma": 0.99}

    def step(self):
        rmsprop(self.params, self.states, self.hyperparams)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
