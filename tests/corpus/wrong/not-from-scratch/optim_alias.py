# component: sgd
from torch import optim as o
import torch

class LinearRegressionScratch:
    def __init__(self, num_inputs, lr, sigma=0.01):
        self.lr = lr
        self.w = torch.normal(0, sigma, (num_inputs, 1), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def forward(self, X):
        return torch.matmul(X, self.w) + self.b

    def loss(self, y_hat, y):
        l = (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
        return l.mean()

    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)

class SGD:
    """Wrapper, so that the Trainer can use it"""

    def __init__(self, params, lr):
        self.inner = o.SGD(params, lr)

    def step(self):
        self.inner.step()

    def zero_grad(self):
        self.inner.zero_grad()
