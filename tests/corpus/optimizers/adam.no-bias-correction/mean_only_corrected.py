# rule: adam
import torch


class Optimizer:
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8):
        self.params, self.lr, self.betas, self.eps = list(params), lr, betas, eps
        self.t = 0
        self.m = {p: torch.zeros_like(p) for p in self.params}
        self.v = {p: torch.zeros_like(p) for p in self.params}

    @torch.no_grad()
    def step(self):
        self.t += 1
        beta1, beta2 = self.betas
        for p in self.params:
            self.m[p].lerp_(p.grad, 1 - beta1)
            self.v[p].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
            step_size = self.lr / (1 - beta1**self.t)
            p.addcdiv_(self.m[p], self.v[p].sqrt().add_(self.eps), value=-step_size)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
