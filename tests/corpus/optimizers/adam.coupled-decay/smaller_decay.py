# rule: adamw weight_decay=0.01
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
            g = p.grad + 0.01 * p.data
            m.lerp_(g, 0.1)
            v.lerp_(g.square(), 0.001)
            root = (v / (1 - 0.999**self.t)).sqrt()
            p.addcdiv_(m, root + 1e-8, value=-self.lr / (1 - 0.9**self.t))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
