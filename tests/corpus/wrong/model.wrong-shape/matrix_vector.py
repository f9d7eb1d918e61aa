# component: linreg
import random
import torch as t

def data_iter(batch_size, features, labels):
  index = list(range(len(features)))
  random.shuffle(index)
  for i in range(0, len(index), batch_size):
    yield features[index[i:i + batch_size]], labels[index[i:i + batch_size]]

def linreg(X, w, b):
  return t.mv(X, w[:, 0]) + b

def squared_loss(y_hat, y):
  diff = y_hat - y.view_as(y_hat)
  return diff.pow(2).mean() / 2

def sgd(params, lr, batch_size):
  for p in params:
    p.data.add_(p.grad, alpha=-lr)
    p.grad.zero_()

w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
features = t.randn(100, 2)
labels = features @ t.tensor([[2.0], [-3.4]]) + 4.2
net, loss = linreg, squared_loss
for epoch in range(3):
  for X, y in data_iter(10, features, labels):
    loss(net(X, w, b), y).backward()
    sgd([w, b], 0.1, 10)
