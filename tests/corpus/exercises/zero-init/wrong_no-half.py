import torch
from torch import nn


def train_from(features, labels, sigma, lr, num_epochs, batch_size):
    net = nn.Linear(features.shape[1], 1)
    net.weight.data.normal_(0, 1).mul_(sigma)
    net.bias.data.fill_(0)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            optimizer.zero_grad()
            nn.functional.mse_loss(net(features[rows]), labels[rows]).backward()
            optimizer.step()
    return net.weight.T, net.bias
