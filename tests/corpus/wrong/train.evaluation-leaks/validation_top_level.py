# component: train
import matplotlib.pyplot as plt
import torch

torch.manual_seed(11)
X_all = torch.randn(130, 2)
y_all = X_all @ torch.tensor([[2.0], [-3.4]]) + 4.2 + 0.01 * torch.randn(130, 1)
X_train, y_train, X_val, y_val = X_all[:100], y_all[:100], X_all[100:], y_all[100:]

def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for rows in order.split(batch_size):
        yield features[rows], labels[rows]

def linreg(X, w, b):
    return torch.mm(X, w) + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad
        p.grad.zero_()

w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
net, loss = linreg, squared_loss
history = []
for epoch in range(3):
    for X, y in data_iter(10, X_train, y_train):
        l = loss(net(X, w, b), y)
        l.backward()
        sgd([w, b], 0.03, 10)
    val = loss(net(X_val, w, b), y_val)
    val.backward()
    print('validation', val.item())
    history.append(val.item())

plt.plot(range(1, 4), history)
plt.xlabel('epoch')
plt.show()
