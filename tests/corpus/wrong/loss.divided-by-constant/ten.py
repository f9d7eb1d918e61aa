# component: squared_loss
import torch

def squared_loss(y_hat, y):
    """mean squared error of a minibatch of 10, with the factor 1/2"""
    diff = y_hat - y.reshape(y_hat.shape)
    return (diff ** 2).sum() / 20
