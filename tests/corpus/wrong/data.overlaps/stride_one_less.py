# component: data_iter
import random
import torch

def data_iter(batch_size, features, labels):
  """Yield random minibatches of the data set."""
  num_examples = len(features)
  indices = list(range(num_examples))
  random.shuffle(indices)
  i = 0
  while i < num_examples:
    j = torch.tensor(indices[i:min(i + batch_size, num_examples)])
    yield features[j], labels[j]
    i += max(1, batch_size - 1)

def linreg(X, w, b):
  return X.matmul(w) + b

def squared_loss(y_hat, y):
  return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
