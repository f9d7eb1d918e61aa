# rule: sgd momentum=0.9
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.velocities = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.params, self.velocities):
            v[:] = 0.9 * v + p.grad
            p[:] -= self.lr * v

    def zero_grad(self):
        for p in self.params:
            p.grad = None
