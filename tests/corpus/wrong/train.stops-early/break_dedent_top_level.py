# component: train
import random
import torch as t

def data_iter(batch_size, features, labels):
	rows = list(range(len(features)))
	random.shuffle(rows)
	for i in range(0, len(rows), batch_size):
		yield features[rows[i:i + batch_size]], labels[rows[i:i + batch_size]]

def linreg(X, w, b):
	return t.matmul(X, w) + b

def squared_loss(y_hat, y):
	return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
	for p in params:
		p.data -= lr * p.grad / batch_size
		p.grad.zero_()

features = t.randn(100, 2)
labels = features @ t.tensor([[2.0], [-3.4]]) + 4.2
w = t.normal(0, 0.01, (2, 1), requires_grad=True)
b = t.zeros(1, requires_grad=True)
net = linreg
loss = squared_loss
for epoch in range(10):
	for X, y in data_iter(10, features, labels):
		l = loss(net(X, w, b), y)
		l.sum().backward()
		sgd([w, b], 0.03, len(X))
		break
	print(f'epoch {epoch + 1}, loss {l.mean().item():.4f}')
