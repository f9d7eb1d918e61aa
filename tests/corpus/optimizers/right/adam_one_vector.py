# rule: adam weight_decay=0.1
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.t, self.m, self.v = list(params), lr, 0, 0, 0

    @torch.no_grad()
    def step(self):
        self.t += 1
        g = torch.cat([(p.grad + 0.1 * p).reshape(-1) for p in self.params])
        self.m = self.m * 0.9 + g * (1 - 0.9)
        self.v = self.v * 0.999 + g * g * (1 - 0.999)
        m_hat, v_hat = self.m / (1 - 0.9**self.t), self.v / (1 - 0.999**self.t)
        change = self.lr * m_hat / (v_hat.sqrt() + 1e-8)
        for p, part in zip(self.params, change.split([p.numel() for p in self.params])):
            p -= part.view_as(p)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
