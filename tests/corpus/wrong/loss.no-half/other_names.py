# component: squared_loss
import numpy as np
import torch

num_inputs, num_examples = 2, 100
true_w, true_b = [2, -3.4], 4.2
features = torch.tensor(np.random.normal(0, 1, (num_examples, num_inputs)), dtype=torch.float32)
labels = true_w[0] * features[:, 0] + true_w[1] * features[:, 1] + true_b
labels += torch.tensor(np.random.normal(0, 0.01, size=labels.size()), dtype=torch.float32)

def data_iter(features, labels, batch_size):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        j = torch.LongTensor(order[i:i + batch_size])
        yield features.index_select(0, j), labels.index_select(0, j)

def linear_reg(X, w, b):
    return torch.mm(X, w) + b

def loss(y_hat, y):
    return (y_hat - y.view(y_hat.size())) ** 2

def SGD(params, lr, batch_size):
    for param in params:
        param.data -= lr * param.grad / batch_size

w = torch.tensor(np.random.normal(0, 0.01, (num_inputs, 1)), dtype=torch.float32, requires_grad=True)
b = torch.zeros(1, dtype=torch.float32, requires_grad=True)
for epoch in range(3):
    for X, y in data_iter(features, labels, 10):
        l = loss(linear_reg(X, w, b), y).sum()
        l.backward()
        SGD([w, b], 0.03, len(X))
        w.grad.data.zero_()
        b.grad.data.zero_()
