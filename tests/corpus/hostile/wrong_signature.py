def linreg(X):
    return X


def squared_loss():
    return 0.0


def sgd(params, lr, batch_size, momentum, nesterov):
    return params


def data_iter(*, path):
    yield path
