# component: mse_loss
import torch

def mse_loss(y_hat, y):
    e = y_hat.reshape(-1) - y.reshape(-1)
    return e.dot(e)
