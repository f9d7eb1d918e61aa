# component: squared_loss
import random
import torch

num_examples = 200
features = torch.normal(0, 1, (num_examples, 2))
labels = torch.matmul(features, torch.tensor([[2.0], [-3.4]])) + 4.2

def data_iter(batch_size, features, labels):
    n = len(features)
    indices = list(range(n))
    random.shuffle(indices)
    for i in range(0, n, batch_size):
        j = torch.tensor(indices[i:min(i + batch_size, n)])
        yield features[j], labels[j]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return torch.sum((y_hat - y.reshape(y_hat.shape)) ** 2) / (2 * num_examples)

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad
            param.grad.zero_()

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss = linreg, squared_loss
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        loss(net(X, w, b), y).backward()
        sgd([w, b], 0.03, 10)
