# component: train
import torch

class SGD:
    def __init__(self, params, lr):
        self.params = params
        self.lr = lr
    def zero_grad(self):
        for p in self.params:
            p.grad = None
    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad

def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return X.matmul(w) + b

def squared_loss(y_hat, y):
    return torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2) / 2

X = torch.randn(56, 3)
y = X @ torch.tensor([[0.5], [1.5], [-1.0]]) + 1
w = torch.normal(0, 0.01, (3, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
optimizer = SGD([w, b], lr=0.1)
for epoch in range(3):
    for X_batch, y_batch in data_iter(7, X, y):
        optimizer.zero_grad()
        loss = squared_loss(linreg(X, w, b), y)
        loss.backward()
        optimizer.step()
