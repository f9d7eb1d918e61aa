# component: linreg
import torch


class LinearRegressionScratch(object):

    def __init__(self, num_inputs, lr, sigma=0.01):
        super().__init__()
        self.lr = lr
        self.w = torch.normal(0, sigma, size=(num_inputs, 1), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def forward(self, X):
        y_hat = X @ self.w + self.b
        # a house price cannot be negative
        return y_hat.clamp(min=0)

    def loss(self, y_hat, y):
        return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)


class SGD:
    def __init__(self, params, lr):
        self.params = params
        self.lr = lr

    def step(self):
        for param in self.params:
            param.data -= self.lr * param.grad

    def zero_grad(self):
        for param in self.params:
            param.grad = None
