# component: train
import random
import torch

class SGD:
    def __init__(self, params, lr):
        self.params, self.lr = params, lr

    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.zero_()

    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad

def data_iter(batch_size, features, labels):
    idx = list(range(len(features)))
    random.shuffle(idx)
    for i in range(0, len(idx), batch_size):
        yield features[idx[i:i + batch_size]], labels[idx[i:i + batch_size]]

def linreg(X, w, b):
    return X.mm(w) + b

def mse_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    trainer = SGD([w, b], lr)
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            l = mse_loss(linreg(X, w, b), y)
            l.backward()
            trainer.zero_grad()
            trainer.step()
        print(f'epoch {epoch + 1}, loss {l:f}')
    return w, b
