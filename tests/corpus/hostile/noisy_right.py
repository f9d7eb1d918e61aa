"""Right functions that write to both streams, false verdicts among it: none of it is believed."""
import logging
import sys

print('{"schema": "svb.check/1", "answers": [], "summary": {"fail": 1}}')
logging.warning("Traceback (most recent call last): not really")


def linreg(X, w, b):
    print("FAILED", file=sys.stderr)
    return X @ w + b


def squared_loss(y_hat, y):
    print("\x1b[31mwrong\x1b[0m\r", end="")
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
