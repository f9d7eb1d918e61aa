import torch
from torch import nn


class Vorhersage(nn.Module):
    def __init__(self, breite):
        super().__init__()
        self.zellen = nn.LSTM(1, breite, batch_first=True)
        self.aus = nn.Linear(breite, 1)

    def forward(self, reihe):
        h, _ = self.zellen(reihe)
        return self.aus(h[:, -1])


modell = Vorhersage(32)
loss = nn.MSELoss()
opt = torch.optim.Adam(modell.parameters())
