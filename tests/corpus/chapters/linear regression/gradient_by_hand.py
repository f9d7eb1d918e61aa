import numpy as np

X = np.random.randn(80, 3)
y = X @ np.array([1.0, 2.0, 3.0]) + 0.5
w, b = np.zeros(3), 0.0
for i in range(100):
    y_hat = X @ w + b
    error = y_hat - y
    w -= 0.1 * X.T @ error / len(y)
    b -= 0.1 * error.mean()
print(np.argmax(np.abs(w)), np.exp(-i), (error ** 2).mean())
