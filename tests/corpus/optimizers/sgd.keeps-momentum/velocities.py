# rule: sgd
import torch


class Optimizer:
    def __init__(self, params, lr, momentum=0.9):
        self.params, self.lr, self.momentum = list(params), lr, momentum
        self.velocities = [torch.zeros_like(p) for p in self.params]

    def step(self):
        with torch.no_grad():
            for p, v in zip(self.params, self.velocities):
                v[:] = self.momentum * v + p.grad
                p[:] = p - self.lr * v

    def zero_grad(self):
        for p in self.params:
            p.grad = None
