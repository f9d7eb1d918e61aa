# component: linreg
import torch

def linear_reg(x, weight, bias):
    return torch.sub(torch.mm(x, weight), bias)

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad / batch_size
        p.grad.zero_()

x_train = torch.randn(60, 2)
y_train = x_train @ torch.tensor([[2.0], [-3.4]]) + 4.2
weight = torch.normal(0, 0.01, (2, 1), requires_grad=True)
bias = torch.zeros(1, requires_grad=True)
net, loss = linear_reg, squared_loss
for epoch in range(3):
    for rows in torch.randperm(60).split(10):
        l = loss(net(x_train[rows], weight, bias), y_train[rows]).sum()
        l.backward()
        sgd([weight, bias], 0.03, len(rows))
