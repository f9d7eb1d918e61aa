def absolute_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)).abs()
