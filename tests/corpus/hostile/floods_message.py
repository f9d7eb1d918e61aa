def squared_loss(y_hat, y):
    raise ValueError("loss " * 2_000_000)
