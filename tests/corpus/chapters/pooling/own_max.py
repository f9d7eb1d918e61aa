import torch


class MaxPool2d(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.size = size

    def forward(self, x):
        fenster = x.unfold(2, self.size, self.size).unfold(3, self.size, self.size)
        return fenster.amax(dim=(-1, -2))
