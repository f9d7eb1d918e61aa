# rule: adam
import torch


def adam(params, states, lr, t):
    beta1, beta2, eps = 0.9, 0.999, 1e-6
    for p, (v, s) in zip(params, states):
        with torch.no_grad():
            v[:] = beta1 * v + (1 - beta1) * p.grad
            s[:] = beta2 * s + (1 - beta2) * torch.square(p.grad)
            v_bias_corr = v / (1 - beta1**t)
            s_bias_corr = s / (1 - beta2**t)
            p[:] -= lr * v_bias_corr / (torch.sqrt(s_bias_corr) + eps)


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.t = list(params), lr, 0
        self.states = [(torch.zeros_like(p), torch.zeros_like(p)) for p in self.params]

    def step(self):
        self.t += 1
        adam(self.params, self.states, self.lr, self.t)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
