"""Objects with __call__ stand for the functions; one of them is a dataclass."""
from dataclasses import dataclass

import torch


class Linear:
    def __call__(self, X, w, b):
        return X.mm(w) + b


@dataclass
class SquaredLoss:
    factor: float = 0.5

    def __call__(self, y_hat, y):
        return self.factor * (y_hat - y.reshape(y_hat.shape)) ** 2


@dataclass(frozen=True)
class Descent:
    verbose: bool = False

    @torch.no_grad()
    def __call__(self, params, lr, batch_size):
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()


linreg = Linear()
squared_loss = SquaredLoss()
sgd = Descent()
