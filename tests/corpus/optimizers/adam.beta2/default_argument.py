# rule: adam
import torch


class Optimizer:
    def __init__(self, params, lr, beta1=0.9, beta2=0.99, eps=1e-8):
        self.params, self.lr, self.eps = list(params), lr, eps
        self.betas = torch.tensor([beta1, beta2], dtype=torch.float64)
        self.powers = torch.ones(2, dtype=torch.float64)
        self.moments = [torch.zeros(2, *p.shape, dtype=p.dtype) for p in self.params]

    @torch.no_grad()
    def step(self):
        self.powers *= self.betas
        for p, moments in zip(self.params, self.moments):
            for k, value in enumerate((p.grad, p.grad.square())):
                beta = float(self.betas[k])
                moments[k] = beta * moments[k] + (1 - beta) * value
            mean, square = (moments[k] / (1 - float(self.powers[k])) for k in (0, 1))
            p.sub_(self.lr * mean / (square.sqrt() + self.eps))

    def zero_grad(self):
        for p in self.params:
            p.grad = None
