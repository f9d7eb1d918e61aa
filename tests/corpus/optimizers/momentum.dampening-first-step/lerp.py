# rule: sgd momentum=0.9 dampening=0.9
import torch


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.average = [torch.zeros_like(p.detach()) for p in self.params]

    def step(self):
        for average, p in zip(self.average, self.params):
            average.lerp_(p.grad, 1 - 0.9)
            p.data.sub_(average, alpha=self.lr)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
