"""Returned objects that act when somebody pickles or unpickles them: they would leave a small file."""
import os


class Bomb:
    def __reduce__(self):
        return os.system, ("touch svb-unpickled.txt",)


def linreg(X, w, b):
    return Bomb()


def squared_loss(y_hat, y):
    error = y_hat - y.reshape(y_hat.shape)
    error.note = Bomb()
    return error


def data_iter(batch_size, features, labels):
    return [(Bomb(), Bomb())]
