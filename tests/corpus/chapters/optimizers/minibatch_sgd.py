import numpy as np
import torch
from torch import nn
from d2l import torch as d2l


def get_data_ch11(batch_size=10, n=1500):
    data = torch.from_numpy(np.genfromtxt("airfoil.dat", dtype=np.float32, delimiter='\t'))
    data = (data - data.mean(axis=0)) / data.std(axis=0)
    return d2l.load_array((data[:n, :-1], data[:n, -1]), batch_size), data.shape[1] - 1


def sgd(params, states, hyperparams):
    for p in params:
        p.data.sub_(hyperparams['lr'] * p.grad)
        p.grad.data.zero_()


def train_ch11(trainer_fn, states, hyperparams, data_iter, feature_dim, num_epochs=2):
    w = torch.normal(mean=0.0, std=0.01, size=(feature_dim, 1), requires_grad=True)
    b = torch.zeros((1), requires_grad=True)
    net, loss = lambda X: d2l.linreg(X, w, b), d2l.squared_loss
    for _ in range(num_epochs):
        for X, y in data_iter:
            l = loss(net(X), y).mean()
            l.backward()
            trainer_fn([w, b], states, hyperparams)
