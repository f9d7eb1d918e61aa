# rule: adagrad
import torch


class Optimizer:
    def __init__(self, params, lr, eps=1e-10):
        self.params, self.lr = list(params), lr
        self.total = {id(p): torch.full_like(p, eps) for p in self.params}

    @torch.no_grad()
    def step(self):
        for p in self.params:
            self.total[id(p)] += p.grad**2
            p -= self.lr * p.grad * self.total[id(p)].rsqrt()

    def zero_grad(self):
        for p in self.params:
            p.grad = None
