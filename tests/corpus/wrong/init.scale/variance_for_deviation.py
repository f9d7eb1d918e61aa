# component: init_params
import torch

def init_params(num_inputs):
  # N(0, 0.01)
  std = 0.01 ** 0.5
  w = torch.normal(0, std, (num_inputs, 1), requires_grad=True)
  b = torch.zeros(1, requires_grad=True)
  return w, b

def linreg(X, w, b):
  return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
  return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
  with torch.no_grad():
    for param in params:
      param -= lr * param.grad / batch_size
      param.grad.zero_()
