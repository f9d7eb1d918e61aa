"""d2lzh is there for its plots and for what it imports; every part is written here."""

from d2lzh import *

set_figsize()
features = nd.random.normal(scale=1, shape=(1000, 2))
labels = 2 * features[:, 0] - 3.4 * features[:, 1] + 4.2
labels += nd.random.normal(scale=0.01, shape=labels.shape)
plt.scatter(features[:, 1].asnumpy(), labels.asnumpy(), 1)


def batches(batch_size, features, labels):
    indices = list(range(len(features)))
    random.shuffle(indices)
    for i in range(0, len(indices), batch_size):
        j = nd.array(indices[i : i + batch_size])
        yield features.take(j), labels.take(j)


def model(X, w, b):
    return nd.dot(X, w) + b


def half_squares(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def update(params, lr, batch_size):
    for param in params:
        param[:] = param - lr * param.grad / batch_size


w = nd.random.normal(scale=0.01, shape=(2, 1))
b = nd.zeros(shape=(1,))
params = [w, b]
for param in params:
    param.attach_grad()

lr, num_epochs, batch_size = 0.03, 3, 10
for epoch in range(num_epochs):
    for X, y in batches(batch_size, features, labels):
        with autograd.record():
            l = half_squares(model(X, w, b), y)
        l.backward()
        update([w, b], lr, batch_size)
