# rule: sgd momentum=0.9 dampening=0.5
class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.velocity = list(params), lr, {}

    def step(self):
        for p in self.params:
            before = self.velocity.get(p)
            v = p.grad.clone() if before is None else 0.9 * before + 0.5 * p.grad
            self.velocity[p] = v
            p.data = p.data - self.lr * v

    def zero_grad(self):
        for p in self.params:
            p.grad = None
