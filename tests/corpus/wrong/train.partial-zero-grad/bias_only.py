# component: train
import random
import torch as t

def data_iter(batch_size, features, labels):
  idx = list(range(len(features)))
  random.shuffle(idx)
  for i in range(0, len(idx), batch_size):
    yield features[idx[i:i + batch_size]], labels[idx[i:i + batch_size]]

def linreg(X, w, b):
  return t.mm(X, w) + b

def squared_loss(y_hat, y):
  return t.mean((y_hat - y.reshape(y_hat.shape)) ** 2) / 2

def sgd(params, lr, batch_size):
  for p in params:
    p.data.add_(p.grad, alpha=-lr)

X_train = t.randn(96, 3)
y_train = X_train @ t.tensor([[1.0], [-2.0], [0.5]]) + 0.7
w = t.normal(0, 0.01, (3, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
for epoch in range(3):
  for X, y in data_iter(12, X_train, y_train):
    if b.grad is not None:
      b.grad.zero_()
    l = loss(net(X, w, b), y)
    l.backward()
    sgd([w, b], 0.05, 12)
