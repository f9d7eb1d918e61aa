# rule: adam
import math

import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.steps = list(params), lr, 0
        self.first = self.second = None

    @torch.no_grad()
    def step(self):
        self.steps += 1
        g = torch.cat([p.grad.flatten() for p in self.params])
        self.first = 0.1 * g + (0.9 * self.first if self.steps > 1 else 0)
        self.second = 0.001 * g * g + (0.999 * self.second if self.steps > 1 else 0)
        root = self.second.sqrt() / math.sqrt(1 - 0.999**self.steps)
        change = self.lr * self.first / (root + 1e-8)
        for p, part in zip(self.params, change.split([p.numel() for p in self.params])):
            p.sub_(part.view(p.shape))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
