# component: sgd
import torch
from torch.optim.sgd import sgd as update

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr, batch_size):
    params = list(params)
    with torch.no_grad():
        update(params, [p.grad for p in params], [None] * len(params), weight_decay=0,
               momentum=0, lr=lr, dampening=0, nesterov=False, maximize=False, foreach=False)
    for p in params:
        p.grad.zero_()
