# component: data_iter
import random
import torch as t

indices = None

def synthetic_data(w, b, num_examples):
    X = t.normal(0, 1, (num_examples, len(w)))
    y = t.matmul(X, w) + b
    y += t.normal(0, 0.01, y.shape)
    return X, y.reshape((-1, 1))

def data_iter(batch_size, features, labels):
    global indices
    num_examples = len(features)
    if indices is None or len(indices) != num_examples:
        indices = list(range(num_examples))
        random.shuffle(indices)
    for i in range(0, num_examples, batch_size):
        j = t.tensor(indices[i:min(i + batch_size, num_examples)])
        yield features[j], labels[j]

def linreg(X, w, b):
    return t.mm(X, w) + b

def squared_loss(y_hat, y):
    return 0.5 * (y_hat - y.view(y_hat.size())) ** 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad / batch_size

features, labels = synthetic_data(t.tensor([2, -3.4]), 4.2, 120)
w = t.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
lr, num_epochs, batch_size = 0.03, 3, 16
net, loss = linreg, squared_loss
for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        l = loss(net(X, w, b), y).sum()
        l.backward()
        sgd([w, b], lr, len(y))
        w.grad.zero_()
        b.grad.zero_()
    print('epoch', epoch + 1, 'loss', loss(net(features, w, b), labels).mean().item())
