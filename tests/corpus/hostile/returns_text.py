def linreg(X, w, b):
    return "X @ w + b"


def squared_loss(y_hat, y):
    return str((y_hat - y.reshape(y_hat.shape)) ** 2 / 2)


def data_iter(batch_size, features, labels):
    return "batches"
