import torch


class Loader:
	def __init__(self, batch_size, features, labels):
		self.batch_size = batch_size
		self.features = features
		self.labels = labels

	def __iter__(self):
		order = torch.randperm(len(self.features))
		for i in range(0, len(order), self.batch_size):
			rows = order[i:i + self.batch_size]
			yield self.features[rows], self.labels[rows]


def data_iter(batch_size, features, labels):
	return Loader(batch_size, features, labels)


def linreg(X, w, b):
	return X @ w + b


def squared_loss(y_hat, y):
	return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def train(features, labels, w, b, lr, num_epochs, batch_size):
	loader = data_iter(batch_size, features, labels)
	for epoch in range(num_epochs):
		for X, y in loader:
			gw, gb = torch.autograd.grad(squared_loss(linreg(X, w, b), y).mean(), (w, b))
			with torch.no_grad():
				w -= lr * gw
				b -= lr * gb
	return w, b
