def data_iter(batch_size, features, labels):
    pass


def linreg(X, w, b):
    ...


def squared_loss(y_hat, y):
    """To do."""
    raise NotImplementedError


def sgd(params, lr, batch_size):
    raise NotImplementedError("later")


def train(features, labels, w, b, lr, num_epochs, batch_size):
    """To do."""
