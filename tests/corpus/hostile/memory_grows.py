"""Touches memory in steps of 64 MiB up to 4 GiB."""
hoard = []


def linreg(X, w, b):
    while len(hoard) < 64:
        hoard.append(bytearray(b"x" * 2**26))
    return X @ w - b
