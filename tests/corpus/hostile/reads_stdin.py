"""Waits for somebody to type."""

epochs = int(input("how many epochs? "))


def squared_loss(y_hat, y):
    return y_hat * epochs
