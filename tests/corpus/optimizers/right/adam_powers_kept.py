# rule: adam eps=1e-6
class Moment:
    def __init__(self, beta):
        self.beta, self.power, self.value = beta, 1.0, 0.0

    def add(self, x):
        self.power *= self.beta
        self.value = self.beta * self.value + (1 - self.beta) * x
        return self.value / (1 - self.power)


class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.moments = [(Moment(0.9), Moment(0.999)) for _ in self.params]

    def step(self):
        for p, (first, second) in zip(self.params, self.moments):
            root = second.add(p.grad.square()).sqrt()
            p.data = p.data - self.lr * first.add(p.grad) / (root + 1e-6)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
