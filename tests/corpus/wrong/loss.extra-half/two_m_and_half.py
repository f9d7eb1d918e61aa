# component: squared_loss
import torch

def squared_loss(y_hat, y):
    """J = 1/2m * sum of squares"""
    m = len(y_hat)
    J = (y_hat - y.reshape(y_hat.shape)).pow(2).sum() / (2 * m)
    return J / 2
