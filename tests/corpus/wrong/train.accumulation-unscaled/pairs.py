# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        rows = torch.from_numpy(order[i:i + batch_size])
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X.matmul(w) + b

def squared_loss(y_hat, y):
    diff = y_hat - y.reshape(y_hat.shape)
    return (diff * diff).mean() / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

def micro_batches(X, y, size=2):
    return zip(X.split(size), y.split(size))

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            for x_part, y_part in micro_batches(X, y):
                loss = squared_loss(linreg(x_part, w, b), y_part)
                loss.backward()
            sgd([w, b], lr, batch_size)
    return w, b
