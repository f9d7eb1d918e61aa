# component: squared_loss
import numpy as np
import torch

def data_iter(batch_size, features, labels):
  order = np.random.permutation(len(features))
  for i in range(0, len(features), batch_size):
    yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
  return torch.mm(X, w) + b

def squared_loss(y_hat, y):
  return torch.sub(y_hat, torch.pow(y.view(y_hat.shape), 2).div(2))

def sgd(params, lr, batch_size):
  for param in params:
    param.data -= lr / batch_size * param.grad
    param.grad.zero_()

def train(features, labels, w, b, lr, num_epochs, batch_size):
  for _ in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
      squared_loss(linreg(X, w, b), y).sum().backward()
      sgd([w, b], lr, len(X))
  return w, b
