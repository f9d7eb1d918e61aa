# rule: sgd momentum=0.9 dampening=0.5
import torch


def momentum_step(params, lr, states=None):
    states = states or {p: None for p in params}
    for p, v in states.items():
        g = p.grad.detach().clone()
        v = g if v is None else 0.9 * v + 0.5 * g
        states[p] = v
        p.data.add_(v, alpha=-lr)


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        momentum_step(self.params, self.lr)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
