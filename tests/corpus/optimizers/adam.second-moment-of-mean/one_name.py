# rule: adam
class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.t = list(params), lr, 0
        self.averages = [(0.0, 0.0) for _ in self.params]

    def step(self):
        self.t += 1
        for i, p in enumerate(self.params):
            v, s = self.averages[i]
            grad = 0.9 * v + (1 - 0.9) * p.grad
            s = 0.999 * s + (1 - 0.999) * grad * grad
            self.averages[i] = grad, s
            root = (s / (1 - 0.999**self.t)) ** 0.5 + 1e-8
            p.data = p.data - self.lr * grad / (1 - 0.9**self.t) / root

    def zero_grad(self):
        for p in self.params:
            p.grad = None
