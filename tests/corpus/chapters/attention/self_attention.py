import torch
import torch.nn.functional as F
from torch import nn


class Head(nn.Module):
    def __init__(self, n, size):
        super().__init__()
        self.key, self.query, self.value = (nn.Linear(n, size, bias=False) for _ in range(3))

    def forward(self, x):
        k, q = self.key(x), self.query(x)
        return F.softmax(q @ k.transpose(-2, -1) * k.shape[-1] ** -0.5, dim=-1) @ self.value(x)


class MultiHeadAttention(nn.Module):
    def __init__(self, heads, n):
        super().__init__()
        self.heads = nn.ModuleList([Head(n, n // heads) for _ in range(heads)])

    def forward(self, x):
        return torch.cat([h(x) for h in self.heads], dim=-1)
