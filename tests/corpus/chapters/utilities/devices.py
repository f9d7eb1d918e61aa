import torch
from torch.utils import data
import torchvision


def try_gpu(i=0):
    if torch.cuda.device_count() >= i + 1:
        return torch.device(f'cuda:{i}')
    return torch.device('cpu')


def get_dataloader_workers():
    return 4


class Accumulator:
    def __init__(self, n):
        self.data = [0.0] * n


def evaluate_accuracy_gpu(net, data_iter, device=None):
    metric = Accumulator(2)
    for X, y in data_iter:
        metric.data[0] += float((net(X).argmax(1) == y).sum())
    return metric.data[0]
