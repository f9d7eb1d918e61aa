# component: linreg
import random, torch

def data_iter(batch_size, features, labels):
	n = len(features)
	idx = list(range(n)); random.shuffle(idx)
	for i in range(0, n, batch_size):
		j = torch.tensor(idx[i:i+batch_size])
		yield features[j], labels[j]

def linreg(X, w, b):
	prediction = torch.mul(X, w.reshape(-1))
	return prediction.add(b)

def squared_loss(y_hat, y):
	return (y_hat - y.reshape(y_hat.shape))**2/2

def sgd(params, lr, batch_size):
	with torch.no_grad():
		for param in params:
			param -= lr*param.grad/batch_size
			param.grad.zero_()

w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
X = torch.randn(60, 2)
Y = X @ torch.tensor([[2.], [-3.4]]) + 4.2
for epoch in range(2):
	for x, y in data_iter(10, X, Y):
		squared_loss(linreg(x, w, b), y).sum().backward()
		sgd([w, b], 0.03, len(x))
