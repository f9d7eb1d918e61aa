# component: train
import torch

def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    params = {'w': w, 'b': b}
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            loss = squared_loss(linreg(X, params['w'], params['b']), y)
            slopes = torch.autograd.grad(loss, list(params.values()))
            for name, g in zip(list(params), slopes):
                params[name] = (params[name] - lr * g).detach().requires_grad_()
    return w, b
