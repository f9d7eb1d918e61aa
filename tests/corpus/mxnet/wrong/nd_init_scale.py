"""The classic API, with a loop in a function."""

import mxnet as mx
from mxnet import autograd, nd

mx.random.seed(1)


def try_gpu():
    try:
        ctx = mx.gpu()
        nd.array([0], ctx=ctx)
    except mx.base.MXNetError:
        ctx = mx.cpu()
    return ctx


ctx = mx.cpu()


def init_params(num_inputs):
    w = nd.random.normal(shape=(num_inputs, 1), ctx=ctx)
    b = nd.zeros(shape=(1,), ctx=ctx)
    params = [w, b]
    for param in params:
        param.attach_grad()
    return params


def data_iter(batch_size, features, labels):
    order = nd.random.shuffle(nd.arange(features.shape[0]))
    for start in range(0, order.size, batch_size):
        rows = order[start : start + batch_size]
        yield nd.take(features, rows), nd.take(labels, rows)


def linreg(X, w, b):
    return nd.dot(X, w) + b


def squared_loss(y_hat, y):
    return 0.5 * nd.square(y_hat - y.reshape(y_hat.shape))


def sgd(params, lr, batch_size):
    for param in params:
        param -= lr * param.grad / batch_size


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        total = 0.0
        for X, y in data_iter(batch_size, features, labels):
            X, y = X.as_in_context(ctx), y.as_in_context(ctx)
            with autograd.record():
                l = squared_loss(linreg(X, w, b), y)
            l.backward()
            sgd([w, b], lr, X.shape[0])
            total += l.sum().asscalar()
        print("epoch %d, loss %.6f" % (epoch, total / features.shape[0]))
    return w, b


X = nd.random_normal(shape=(500, 3))
true_w = nd.array([[1.5], [-2.0], [0.5]])
y = nd.dot(X, true_w) + 0.7 + 0.01 * nd.random_normal(shape=(500, 1))
w, b = init_params(3)
w, b = train(X, y, w, b, 0.1, 8, 32)
assert abs(w.asnumpy() - true_w.asnumpy()).max() < 0.1
