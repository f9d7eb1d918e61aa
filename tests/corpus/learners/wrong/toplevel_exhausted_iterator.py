import random
import torch

features = torch.normal(0, 1, (1000, 2))
labels = torch.matmul(features, torch.tensor([[2.0], [-3.4]])) + 4.2

def data_iter(batch_size, features, labels):
    indices = list(range(len(features)))
    random.shuffle(indices)
    for i in range(0, len(indices), batch_size):
        yield features[indices[i:i + batch_size]], labels[indices[i:i + batch_size]]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
train_iter = data_iter(10, features, labels)
for epoch in range(3):
    for X, y in train_iter:
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], 0.03, 10)
    with torch.no_grad():
        print(epoch + 1, squared_loss(linreg(features, w, b), labels).mean())
