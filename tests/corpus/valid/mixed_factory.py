"""The functions come out of a factory: closures over one setting."""
import torch


def make(half):
    def loss(y_hat, y):
        return half * (y_hat - y.reshape(y_hat.shape)) ** 2

    def update(params, lr, batch_size):
        with torch.no_grad():
            for p in params:
                p -= lr * p.grad / batch_size
                p.grad.zero_()

    return loss, update


squared_loss, sgd = make(half=1 / 2)
