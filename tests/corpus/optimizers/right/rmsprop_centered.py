# rule: rmsprop centered=1 momentum=0.5
class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.state = {p: (0.0, 0.0, 0.0) for p in self.params}

    def step(self):
        for p, (square, mean, buffer) in self.state.items():
            square = 0.99 * square + 0.01 * p.grad**2
            mean = 0.99 * mean + 0.01 * p.grad
            buffer = 0.5 * buffer + p.grad / ((square - mean**2) ** 0.5 + 1e-8)
            self.state[p] = square, mean, buffer
            p.data -= self.lr * buffer

    def zero_grad(self):
        for p in self.params:
            p.grad = None
