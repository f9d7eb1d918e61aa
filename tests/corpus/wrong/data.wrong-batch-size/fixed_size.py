# component: data_iter
import random
import torch

BATCH = 25

def data_iter(batch_size, features, labels):
    n = len(features)
    ids = list(range(n))
    random.shuffle(ids)
    for i in range(0, n, BATCH):
        j = torch.tensor(ids[i:i + BATCH])
        yield features[j], labels[j]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr, batch_size=None):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            squared_loss(linreg(X, w, b), y).backward()
            sgd([w, b], lr)
    return w, b
