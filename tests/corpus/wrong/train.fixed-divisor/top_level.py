# component: train
import torch as t

def data_iter(batch_size, features, labels):
    p = t.randperm(features.size(0))
    for i in range(0, p.numel(), batch_size):
        yield features[p[i:i + batch_size]], labels[p[i:i + batch_size]]

def linreg(X, w, b):
    return X.mm(w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.view(y_hat.shape)).pow(2) * 0.5

def sgd(params, lr, batch_size):
    for p in params:
        p.data.sub_(p.grad.data * (lr / batch_size))
        p.grad.data.zero_()

features = t.randn(103, 2)
labels = features @ t.tensor([[2.0], [-3.4]]) + 4.2
w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
lr, num_epochs, batch_size = 0.03, 3, 10
for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        loss(net(X, w, b), y).sum().backward()
        sgd([w, b], lr, batch_size)
