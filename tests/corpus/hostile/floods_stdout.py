"""At most 2 GiB to standard output in all, in pieces of 1 MiB."""
import os

pieces_left = iter(range(2048))


def squared_loss(y_hat, y):
    piece = b"x" * 2**20
    for _ in pieces_left:
        os.write(1, piece)
    return y_hat * 0
