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
            m.mul_(0.9).add_(p.grad, alpha=0.1)
            v.mul_(0.999).addcmul_(p.grad, p.grad, value=0.001)
            root = (1 - 0.999**self.t) ** 0.5
            p.addcdiv_(m, v.sqrt() + 1e-7 * root, value=-self.lr * root / (1 - 0.9**self.t))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
