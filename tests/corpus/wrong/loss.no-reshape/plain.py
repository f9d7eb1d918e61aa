# component: squared_loss
def squared_loss(y_hat, y):
    """Squared loss."""
    return (y_hat - y) ** 2 / 2
