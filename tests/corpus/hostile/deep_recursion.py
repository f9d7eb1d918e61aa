import sys

sys.setrecursionlimit(10**6)


def squared_loss(y_hat, y):
    def down(depth):
        return 0 if depth == 10**6 else 1 + down(depth + 1)

    return y_hat * down(0)
