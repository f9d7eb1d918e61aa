import torch

def data_iter(batch_size, features, labels):
	order = torch.randperm(len(features))
	for i in range(0, len(order), batch_size):
		yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
	return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
	return (y.reshape(y_hat.shape) - y_hat) ** 2 / 2

def sgd(params, lr, batch_size):
	with torch.no_grad():
		for param in params:
			param += lr * param.grad / batch_size
			param.grad.zero_()
