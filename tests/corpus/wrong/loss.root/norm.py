# component: mse_loss
import torch

def mse_loss(y_hat, y):
    n = y_hat.shape[0]
    return (y_hat.flatten() - y.flatten()).norm() / n ** 0.5
