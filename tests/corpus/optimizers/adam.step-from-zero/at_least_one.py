# rule: adam
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.step_count = list(params), lr, 0
        self.state = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.params]

    @torch.no_grad()
    def step(self):
        t = max(self.step_count, 1)
        for p, (m, v) in zip(self.params, self.state):
            m.mul_(0.9).add_(0.1 * p.grad)
            v.mul_(0.999).add_(0.001 * p.grad * p.grad)
            p.sub_(self.lr * (m / (1 - 0.9**t)) / (torch.sqrt(v / (1 - 0.999**t)) + 1e-8))
        self.step_count += 1

    def zero_grad(self):
        for p in self.params:
            p.grad = None
