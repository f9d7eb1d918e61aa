# component: mse_loss
import torch

X_train = torch.randn(64, 3)
y_train = X_train @ torch.tensor([[1.0], [2.0], [3.0]]) - 1

def mse_loss(y_hat, y):
    return torch.sum((y_hat - y.reshape(y_hat.shape)) ** 2) / len(y_train)
