# component: linreg
import torch as t

def linreg(inputs, w, b):
    out = []
    for x in inputs:
        out.append(t.dot(x, w.reshape(-1)) + b[0])
    return t.stack(out)

def mse_loss(y_hat, y):
    return ((y_hat.reshape(-1) - y.reshape(-1)) ** 2).mean()
