import torch


def read_gradients(net, X, y):
    loss = torch.nn.MSELoss()(net(X), y)
    loss.backward()
    return net.weight.grad, net.bias.grad
