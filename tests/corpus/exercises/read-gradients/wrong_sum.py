import torch


def read_gradients(net, X, y):
    net.zero_grad()
    torch.nn.MSELoss(reduction="sum")(net(X), y).backward()
    return net.weight.grad, net.bias.grad
