import numpy as np

# 手写数字识别: softmax 回归, 手动求导
X = np.loadtxt("digits.csv", delimiter=",")[:, :64]
t = np.loadtxt("digits.csv", delimiter=",")[:, 64].astype(int)
W = np.zeros((64, 10))
b = np.zeros(10)


def probabilities(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


for step in range(200):
    p = probabilities(X @ W + b)
    loss = -np.log(p[np.arange(len(t)), t]).mean()
    p[np.arange(len(t)), t] -= 1
    W -= 0.1 * X.T @ p / len(t)
    b -= 0.1 * p.mean(axis=0)
print((np.argmax(X @ W + b, axis=1) == t).mean())
