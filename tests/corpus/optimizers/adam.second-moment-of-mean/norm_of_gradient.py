# rule: adam
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.t = list(params), lr, 0
        self.m = [torch.zeros_like(p) for p in self.params]
        self.v = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, m, v in zip(self.params, self.m, self.v):
            m.lerp_(p.grad, 0.1)
            v.mul_(0.999).add_(0.001 * (p.grad * p.grad).mean())
            root = (v / (1 - 0.999**self.t)).sqrt()
            p.sub_(self.lr / (1 - 0.9**self.t) * m / (root + 1e-8))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
