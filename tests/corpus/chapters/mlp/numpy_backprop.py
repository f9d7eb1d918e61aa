import numpy as np


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])
w1 = np.random.randn(2, 4)
w2 = np.random.randn(4, 1)
for i in range(10000):
    a1 = sigmoid(np.dot(X, w1))
    a2 = sigmoid(np.dot(a1, w2))
    d2 = (a2 - y) * a2 * (1 - a2)
    d1 = d2.dot(w2.T) * a1 * (1 - a1)
    w2 -= a1.T.dot(d2)
    w1 -= X.T.dot(d1)
