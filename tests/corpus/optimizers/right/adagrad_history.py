# rule: adagrad
class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.history = [[] for _ in self.params]

    def step(self):
        for p, history in zip(self.params, self.history):
            history.append(p.grad.pow(2))
            p.data = p.data - self.lr * p.grad / (sum(history).sqrt() + 1e-10)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
