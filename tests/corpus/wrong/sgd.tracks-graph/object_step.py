# component: sgd
import torch


class SGD:
    def __init__(self, params, lr):
        self.params = params
        self.lr = lr

    @torch.no_grad()
    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.zero_()

    def step(self):
        for p in self.params:
            p.add_(-self.lr * p.grad)


class LinearRegressionScratch:
    def __init__(self, num_inputs, lr, sigma=0.01):
        self.lr = lr
        self.w = torch.normal(0, sigma, (num_inputs, 1)).requires_grad_()
        self.b = torch.zeros(1).requires_grad_()

    def forward(self, X):
        return X @ self.w + self.b

    def loss(self, y_hat, y):
        return 0.5 * ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)
