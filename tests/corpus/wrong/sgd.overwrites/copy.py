# component: sgd
import random
import torch

def data_iter(batch_size, features, labels):
	order = torch.randperm(len(features))
	for i in range(0, len(order), batch_size):
		j = order[i:i + batch_size]
		yield features[j], labels[j]

def linreg(X, w, b):
	return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
	return torch.mean((y_hat - y.reshape(y_hat.shape)) ** 2 / 2)

def sgd(params, lr, batch_size):
	with torch.no_grad():
		for param in params:
			param.copy_(-lr * param.grad)
			param.grad.zero_()

w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
features = torch.randn(64, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2
net, loss = linreg, squared_loss
for epoch in range(4):
	for X, y in data_iter(8, features, labels):
		l = loss(net(X, w, b), y)
		l.backward()
		sgd([w, b], lr=0.03, batch_size=8)
