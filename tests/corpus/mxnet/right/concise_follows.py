"""The concise chapter follows in the same file and takes the names again."""

import random

from mxnet import autograd, gluon, init, nd
from mxnet.gluon import data as gdata
from mxnet.gluon import loss as gloss
from mxnet.gluon import nn

features = nd.random.normal(scale=1, shape=(1000, 2))
labels = 2 * features[:, 0] - 3.4 * features[:, 1] + 4.2
labels += nd.random.normal(scale=0.01, shape=labels.shape)


def data_iter(batch_size, features, labels):
    indices = list(range(len(features)))
    random.shuffle(indices)
    for i in range(0, len(indices), batch_size):
        j = nd.array(indices[i : i + batch_size])
        yield features.take(j), labels.take(j)


def linreg(X, w, b):
    return nd.dot(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    for param in params:
        param[:] = param - lr * param.grad / batch_size


w = nd.random.normal(scale=0.01, shape=(2, 1))
b = nd.zeros(shape=(1,))
w.attach_grad()
b.attach_grad()
lr, num_epochs, batch_size = 0.03, 3, 10

for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        with autograd.record():
            l = squared_loss(linreg(X, w, b), y)
        l.backward()
        sgd([w, b], lr, batch_size)
    print("epoch %d, loss %f" % (epoch + 1, squared_loss(linreg(features, w, b), labels).mean().asscalar()))

dataset = gdata.ArrayDataset(features, labels)
batches = gdata.DataLoader(dataset, batch_size, shuffle=True)
net = nn.Sequential()
net.add(nn.Dense(1))
net.initialize(init.Normal(sigma=0.01))
loss = gloss.L2Loss()
trainer = gluon.Trainer(net.collect_params(), "sgd", {"learning_rate": 0.03})
for epoch in range(1, num_epochs + 1):
    for X, y in batches:
        with autograd.record():
            l = loss(net(X), y)
        l.backward()
        trainer.step(batch_size)
    l = loss(net(features), labels)
    print("epoch %d, loss: %f" % (epoch, l.mean().asnumpy()))
dense = net[0]
print(dense.weight.data(), dense.bias.data())
