import numpy as np
import torch


def init_params(num_inputs):
    w = torch.from_numpy(np.random.normal(0, 0.01, (num_inputs, 1))).float()
    b = torch.zeros(1)
    return w, b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
