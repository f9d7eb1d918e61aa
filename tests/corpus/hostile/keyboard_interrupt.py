def squared_loss(y_hat, y):
    raise KeyboardInterrupt


def linreg(X, w, b):
    raise GeneratorExit
