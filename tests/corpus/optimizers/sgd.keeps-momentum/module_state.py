# rule: sgd
import torch

states = {}


def sgd_momentum(params, lr, momentum):
    for p in params:
        states[p] = momentum * states.get(p, torch.zeros(p.shape)) + p.grad.data
        p.data = p.data - lr * states[p]


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        sgd_momentum(self.params, self.lr, 0.9)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
