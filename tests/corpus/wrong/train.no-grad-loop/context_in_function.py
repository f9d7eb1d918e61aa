# component: train
import torch

def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for i in range(0, len(perm), batch_size):
        yield features[perm[i:i + batch_size]], labels[perm[i:i + batch_size]]

def linreg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    return 0.5 * ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad
        p.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        with torch.no_grad():
            for X, y in data_iter(batch_size, features, labels):
                loss = squared_loss(linreg(X, w, b), y)
                loss.backward()
                sgd([w, b], lr, batch_size)
    return w, b
