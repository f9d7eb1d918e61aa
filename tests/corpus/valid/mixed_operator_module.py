"""Written with operator functions and functools.reduce, for those who like Lisp."""
import operator
from functools import reduce

import torch


def linreg(X, w, b):
    return reduce(operator.add, [operator.matmul(X, w), b])


def squared_loss(y_hat, y):
    return operator.truediv(operator.pow(operator.sub(y_hat, y.reshape(y_hat.shape)), 2), 2)
