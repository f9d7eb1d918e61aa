# component: train
import torch

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
    return torch.mm(X, w).add(b)

def squared_loss(y_hat, y):
    return 0.5 * torch.square(y_hat - y.reshape(y_hat.shape)).mean()

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p.sub_(lr * p.grad)
            p.grad = None

def train(features, labels, w, b, lr, num_epochs, batch_size):
    first = next(data_iter(batch_size, features, labels))
    for epoch in range(num_epochs):
        for batch in data_iter(batch_size, features, labels):
            X, y = first
            squared_loss(linreg(X, w, b), y).backward()
            sgd([w, b], lr, batch_size)
    return w, b
