def huber_loss(y_hat, y, sigma):
    return (y_hat - y).abs()
