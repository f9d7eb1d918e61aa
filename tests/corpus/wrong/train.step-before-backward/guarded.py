# component: train
import random
import torch

def data_iter(batch_size, features, labels):
    n = len(features)
    idx = list(range(n))
    random.shuffle(idx)
    for i in range(0, n, batch_size):
        j = torch.tensor(idx[i:i + batch_size])
        yield features[j], labels[j]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def mse_loss(y_hat, y):
    return torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2)

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            if w.grad is not None:      # None at the very first step
                sgd([w, b], lr, batch_size)
                w.grad.zero_()
                b.grad.zero_()
            l = mse_loss(linreg(X, w, b), y)
            l.backward()
    return w, b
