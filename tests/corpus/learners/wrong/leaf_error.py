import torch

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    for param in params:
        param -= lr * param.grad / batch_size
        param.grad.zero_()

features = torch.randn(100, 2)
labels = features @ torch.tensor([[1.0], [1.0]])
w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for i in range(0, 100, 10):
    squared_loss(linreg(features[i:i+10], w, b), labels[i:i+10]).sum().backward()
    sgd([w, b], 0.1, 10)
