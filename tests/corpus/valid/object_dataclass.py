"""The object form as dataclasses, with properties and a training step."""
from dataclasses import dataclass, field

import torch


@dataclass
class SGD:
    params: list
    lr: float

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad

    def zero_grad(self):
        for p in self.params:
            p.grad = None


@dataclass
class LinearRegressionScratch:
    num_inputs: int
    lr: float
    sigma: float = 0.01
    w: torch.Tensor = field(init=False, repr=False)
    b: torch.Tensor = field(init=False, repr=False)

    def __post_init__(self):
        self.w = (torch.randn(self.num_inputs, 1) * self.sigma).requires_grad_()
        self.b = torch.zeros(1, requires_grad=True)

    def __call__(self, X):
        return self.forward(X)

    def forward(self, X):
        return X.mm(self.w).add(self.b)

    def loss(self, y_hat, y):
        error = y_hat.flatten() - y.flatten()
        return error.pow(2).mean().div(2)

    def training_step(self, batch):
        *inputs, y = batch
        return self.loss(self(*inputs), y)

    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)
