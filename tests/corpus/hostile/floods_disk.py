"""At most 2 GiB into its own working folder, once, and removed at the end."""
import os

pieces_left = iter(range(2048))


def squared_loss(y_hat, y):
    try:
        with open("fill.bin", "ab") as file:
            for _ in pieces_left:
                file.write(bytes(2**20))
    finally:
        if os.path.exists("fill.bin"):
            os.remove("fill.bin")
    return y_hat * 0
