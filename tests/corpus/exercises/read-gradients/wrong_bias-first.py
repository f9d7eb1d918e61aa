import torch


def read_gradients(net, X, y):
    net.zero_grad()
    torch.nn.MSELoss()(net(X), y).backward()
    return net.bias.grad, net.weight.grad
