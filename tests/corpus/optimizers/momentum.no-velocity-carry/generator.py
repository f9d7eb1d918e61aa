# rule: sgd momentum=0.5
import torch


def velocity(gradient, before=0.0):
    return 0.5 * before + gradient


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr

    def step(self):
        for p in self.params:
            p.data = p.data - self.lr * velocity(p.grad)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
