# component: linreg
import torch

def linreg(inputs, weight, bias):
    out = inputs @ weight
    return -(bias - out)
