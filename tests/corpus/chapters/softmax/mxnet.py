from mxnet import autograd, nd
import d2lzh as d2l

W = nd.random.normal(scale=0.01, shape=(784, 10))
b = nd.zeros(10)
W.attach_grad()
b.attach_grad()


def softmax(X):
    X_exp = X.exp()
    return X_exp / X_exp.sum(axis=1, keepdims=True)


def net(X):
    return softmax(nd.dot(X.reshape((-1, 784)), W) + b)


def cross_entropy(y_hat, y):
    return -nd.pick(y_hat, y).log()
