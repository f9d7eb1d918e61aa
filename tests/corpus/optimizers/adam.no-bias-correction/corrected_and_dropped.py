# rule: adam
class Optimizer:
    def __init__(self, params, lr):
        self.params, self.lr, self.t = list(params), lr, 0
        self.m, self.v = [0.0] * len(self.params), [0.0] * len(self.params)

    def step(self):
        self.t += 1
        for i, p in enumerate(self.params):
            g = p.grad
            self.m[i] = self.m[i] * 0.9 + g * 0.1
            self.v[i] = self.v[i] * 0.999 + g * g * 0.001
            m_hat = self.m[i] / (1 - 0.9**self.t)
            v_hat = self.v[i] / (1 - 0.999**self.t)
            assert m_hat.shape == v_hat.shape
            p.data -= self.lr * self.m[i] / (self.v[i] ** 0.5 + 1e-8)

    def zero_grad(self):
        for p in self.params:
            p.grad = None
