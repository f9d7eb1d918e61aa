# rule: rmsprop
import torch
from torch.nn.utils import parameters_to_vector


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.mean_square = list(params), lr, None

    @torch.no_grad()
    def step(self):
        g = parameters_to_vector([p.grad for p in self.params])
        s = torch.zeros_like(g) if self.mean_square is None else self.mean_square
        self.mean_square = s + (g * g - s) * 0.01
        change = self.lr * g * (self.mean_square + 1e-8) ** -0.5
        start = 0
        for p in self.params:
            p -= change[start : start + p.numel()].view_as(p)
            start += p.numel()

    def zero_grad(self):
        for p in self.params:
            p.grad = None
