"""Some parts are stubs in their three usual forms; what is there is right."""
import torch


def data_iter(batch_size, features, labels):
    pass


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    """Return half the squared error, per example."""
    ...


def sgd(params, lr, batch_size):
    # TODO
    raise NotImplementedError
