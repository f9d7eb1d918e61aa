import torch


def read_gradients(net, X, y):
    net.zero_grad()
    torch.nn.MSELoss()(net(X), y).backward()
    return net.weight.data, net.bias.data
