# rule: rmsprop alpha=0.9 eps=1e-6
import torch


class RMS:
    def __init__(self, decay, eps):
        self.decay, self.eps, self.value = decay, eps, 0.0

    def __call__(self, g):
        self.value = self.decay * self.value + (1 - self.decay) * g.square()
        return torch.sqrt(self.value + self.eps)


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.rms = [RMS(0.9, 1e-6) for _ in self.params]

    def step(self):
        with torch.no_grad():
            for p, rms in zip(self.params, self.rms):
                p -= self.lr * p.grad / rms(p.grad)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
