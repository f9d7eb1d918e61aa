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
            m += (p.grad - m) * 0.1
            v += (p.grad.square() - v) * 0.001
            scale = (v / (1 - 0.999**self.t)).add(1e-8).rsqrt()
            p.addcmul_(m, scale, value=-self.lr / (1 - 0.9**self.t))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
