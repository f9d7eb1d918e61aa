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
            v.lerp_(p.grad * p.grad, 0.001)
            size = v.div(1 - 0.999**self.t).sqrt_().add_(1e-8)
            p.addcdiv_(m, size, value=self.lr / (0.9**self.t - 1))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
