# "zero weights cannot learn": the loop rebinds local names and nothing moves
import torch


def train_from(features, labels, sigma, lr, num_epochs, batch_size):
    w = sigma * torch.randn(features.shape[1], 1)
    b = torch.zeros(1)
    for _ in range(num_epochs):
        for rows in torch.randperm(len(features)).split(batch_size):
            for p in (w, b):
                p = p - lr * p
    return w, b
