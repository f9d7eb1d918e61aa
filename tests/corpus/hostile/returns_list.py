def linreg(X, w, b):
    return (X @ w + b).tolist()


def squared_loss(y_hat, y):
    return [float(p - t) ** 2 / 2 for p, t in zip(y_hat.flatten(), y.flatten())]
