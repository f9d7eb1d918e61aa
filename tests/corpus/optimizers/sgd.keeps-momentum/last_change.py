# rule: sgd
import torch


class Optimizer:
    """Heavy ball: each change is the gradient's and half of the change before."""

    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr
        self.change = {}

    @torch.no_grad()
    def step(self):
        for p in self.params:
            change = -self.lr * p.grad
            if p in self.change:
                change += 0.5 * self.change[p]
            self.change[p] = change
            p.add_(change)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
