# component: linreg
import torch
from scratch import linreg as reference_model

def linreg(X, w, b):
    return reference_model(X, w, b)

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()
