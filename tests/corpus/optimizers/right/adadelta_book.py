# rule: adadelta
import torch


def adadelta(params, states, lr, rho=0.9, eps=1e-6):
    for p, (s, delta) in zip(params, states):
        with torch.no_grad():
            s[:] = rho * s + (1 - rho) * torch.square(p.grad)
            g = (torch.sqrt(delta + eps) / torch.sqrt(s + eps)) * p.grad
            p[:] -= lr * g
            delta[:] = rho * delta + (1 - rho) * g * g


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.states = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.params]

    def step(self):
        adadelta(self.params, self.states, self.lr)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
