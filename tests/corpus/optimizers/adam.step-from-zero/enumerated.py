# rule: adam
import itertools

import torch


def corrections(beta):
    for t in itertools.count():
        yield 1 - torch.tensor(beta, dtype=torch.float64) ** t


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.corrections = zip(corrections(0.9), corrections(0.999))
        self.moments = {p: [torch.zeros_like(p), torch.zeros_like(p)] for p in self.params}

    @torch.no_grad()
    def step(self):
        first, second = next(self.corrections)
        for p, moments in self.moments.items():
            moments[0] = torch.lerp(moments[0], p.grad, 0.1)
            moments[1] = torch.lerp(moments[1], p.grad.square(), 0.001)
            mean, square = moments[0] / first, moments[1] / second
            p.sub_((self.lr * mean / (square.sqrt() + 1e-8)).to(p.dtype))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
