import time

end = time.monotonic() + 120
while time.monotonic() < end:
    pass


def linreg(X, w, b):
    return X @ w + b
