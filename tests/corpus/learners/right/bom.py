# saved as "UTF-8 with signature"
import torch


def squared_loss(y_hat, y):
    return torch.square(y_hat - y.reshape(y_hat.shape)).div(2)


def init_params(num_inputs):
    return torch.normal(0, 0.01, (num_inputs, 1), requires_grad=True), torch.zeros(1, requires_grad=True)
