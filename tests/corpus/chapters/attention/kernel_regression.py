import torch
from torch import nn
from d2l import torch as d2l


def f(x):
    return 2 * torch.sin(x) + x ** 0.8


x_train, _ = torch.sort(torch.rand(50) * 5)
y_train = f(x_train) + torch.normal(0.0, 0.5, (50,))


class NWKernelRegression(nn.Module):
    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.rand((1,), requires_grad=True))

    def forward(self, queries, keys, values):
        queries = queries.repeat_interleave(keys.shape[1]).reshape((-1, keys.shape[1]))
        weights = nn.functional.softmax(-((queries - keys) * self.w) ** 2 / 2, dim=1)
        return torch.bmm(weights.unsqueeze(1), values.unsqueeze(-1)).reshape(-1)


net = NWKernelRegression()
loss = nn.MSELoss(reduction='none')
