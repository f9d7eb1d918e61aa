def linreg(X, w, b):
    return X


def squared_loss(y_hat, y):
    return y_hat


def sgd(params, lr, batch_size):
    return params


def data_iter(batch_size, features, labels):
    return [(features, labels)]


def train(features, labels, w, b, lr, num_epochs, batch_size):
    return w, b
