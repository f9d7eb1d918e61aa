# component: sgd
import torch as t

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with t.no_grad():
        for theta in params:
            direction = -theta.grad / batch_size
            theta.sub_(lr * direction)
            theta.grad = None
