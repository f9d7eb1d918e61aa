import torch
from d2l import torch as d2l


def train(net, data_iter, params, lr, num_epochs, log):
    for epoch in range(num_epochs):
        for X, y in data_iter:
            l = d2l.squared_loss(net(X), y).mean()
            l.backward()
            d2l.sgd(params, lr, 1)
        log(f"epoch {epoch}: {l:f}")
