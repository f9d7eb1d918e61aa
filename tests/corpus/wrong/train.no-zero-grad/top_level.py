# component: train
import numpy as np
import torch

np.random.seed(0)
x = np.random.randn(80, 2).astype('float32')
t = x @ np.array([[2.0], [-3.4]], dtype='float32') + np.float32(4.2)
features, labels = torch.from_numpy(x), torch.from_numpy(t)

def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        pick = order[i:i + batch_size]
        yield features[pick], labels[pick]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
lr, num_epochs, batch_size = 0.03, 3, 8
net = linreg
loss = squared_loss
for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        l = loss(net(X, w, b), y)
        l.backward()
        sgd([w, b], lr, batch_size)
    print('epoch %d, loss %f' % (epoch + 1, loss(net(features, w, b), labels).item()))
