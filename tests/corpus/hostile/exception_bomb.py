"""An exception whose text, representation and pickle all misbehave."""
import os


class Loud(Exception):
    def __str__(self):
        raise RuntimeError("no text")

    def __repr__(self):
        os._exit(0)

    def __reduce__(self):
        return os.system, ("touch svb-unpickled.txt",)


def squared_loss(y_hat, y):
    raise Loud
