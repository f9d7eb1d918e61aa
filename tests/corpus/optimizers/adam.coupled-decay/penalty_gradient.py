# rule: adamw weight_decay=0.1
import torch


def penalty_gradient(p, weight_decay):
    return weight_decay * p.detach()


class Optimizer:
    def __init__(self, params, lr, weight_decay=0.1):
        self.params, self.lr, self.weight_decay = list(params), lr, weight_decay
        self.state = {}

    def step(self):
        for p in self.params:
            p.grad.add_(penalty_gradient(p, self.weight_decay))
            m, v, t = self.state.get(p, (0.0, 0.0, 0))
            t += 1
            m, v = 0.9 * m + 0.1 * p.grad, 0.999 * v + 0.001 * p.grad**2
            self.state[p] = m, v, t
            root = (v / (1 - 0.999**t)) ** 0.5
            p.data.sub_(self.lr / (1 - 0.9**t) * m / (root + 1e-8))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
