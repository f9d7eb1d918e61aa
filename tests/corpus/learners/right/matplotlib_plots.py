import matplotlib
matplotlib.use('Agg')
import matplotlib.pyplot as plt
from mpl_toolkits.mplot3d import Axes3D
import torch

x = torch.linspace(-3, 3, 200).unsqueeze(1)
y = 1.7 * x - 0.4 + 0.1 * torch.randn_like(x)

fig, ax = plt.subplots(figsize=(4, 3))
ax.scatter(x, y, s=4)
ax.set_title('data')

def data_iter(batch_size, features, labels):
    p = torch.randperm(len(features))
    for i in range(0, len(p), batch_size):
        yield features[p[i:i + batch_size]], labels[p[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return ((y_hat - y.reshape(y_hat.shape)) ** 2).mean() / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad
            p.grad.zero_()

w = torch.randn(1, 1).mul_(0.01).requires_grad_()
b = torch.zeros(1, requires_grad=True)
losses = []
for epoch in range(10):
    for X, t in data_iter(20, x, y):
        loss = squared_loss(linreg(X, w, b), t)
        loss.backward()
        sgd([w, b], 0.1, 20)
        losses.append(loss.item())

fig, (ax1, ax2) = plt.subplots(1, 2)
ax1.plot(losses)
ax2.plot(x, linreg(x, w, b).detach(), color='r')
plt.tight_layout()
plt.savefig('fit.png')
plt.show()
