# rule: adagrad eps=1e-8
class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr = list(params), lr
        self.history = [[] for _ in self.params]

    def step(self):
        for p, history in zip(self.params, self.history):
            history.append(p.grad.pow(2))
            p.data.addcdiv_(p.grad, (1e-8 + sum(history)).pow(0.5), value=-self.lr)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
