# rule: sgd momentum=0.9 dampening=0.5
import torch


class Optimizer:
    """All parameters as one long vector."""

    def __init__(self, params, lr):
        self.params, self.lr, self.v = list(params), lr, 0

    @torch.no_grad()
    def step(self):
        g = torch.cat([p.grad.reshape(-1) for p in self.params])
        self.v = self.v * 0.9 + g * 0.5
        parts = torch.split(self.v, [p.numel() for p in self.params])
        for p, part in zip(self.params, parts):
            p -= self.lr * part.reshape(p.shape)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
