import time

END = time.monotonic() + 120


def squared_loss(y_hat, y):
    while time.monotonic() < END:
        time.sleep(0.01)
    return (y_hat - y.reshape(y_hat.shape)) ** 2
