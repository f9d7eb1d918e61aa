# rule: sgd momentum=0.9 nesterov=1 weight_decay=0.1
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.v = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, v in zip(self.params, self.v):
            g = p.grad + 0.1 * p
            v.mul_(0.9).add_(g)
            p -= self.lr * (g + 0.9 * v)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
