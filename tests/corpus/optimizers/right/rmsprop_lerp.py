# rule: rmsprop
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.squares = [torch.zeros_like(p) for p in self.params]

    @torch.no_grad()
    def step(self):
        for p, s in zip(self.params, self.squares):
            s.lerp_(p.grad.square(), 0.01)
            p.addcdiv_(p.grad, s.sqrt() + 1e-8, value=-self.lr)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
