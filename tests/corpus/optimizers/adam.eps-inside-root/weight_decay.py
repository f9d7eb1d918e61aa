# rule: adam weight_decay=0.1
class Moment:
    def __init__(self, beta):
        self.beta, self.value, self.count = beta, 0.0, 0

    def add(self, x):
        self.count += 1
        self.value = self.beta * self.value + (1 - self.beta) * x
        return self.value / (1 - self.beta**self.count)


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.moments = [(Moment(0.9), Moment(0.999)) for _ in self.params]

    def step(self):
        for p, (first, second) in zip(self.params, self.moments):
            g = p.grad + 0.1 * p.data
            p.data = p.data - self.lr * first.add(g) / (second.add(g**2) + 1e-8) ** 0.5

    def zero_grad(self):
        for p in self.params:
            p.grad = None
