import torch


def read_gradients(net, X, y):
    net.zero_grad()
    loss = torch.nn.MSELoss()(net(X), y)
    return net.weight.grad, net.bias.grad
