import torch


class MyDropout(torch.nn.Module):
    """Inverted dropout."""

    def __init__(self, p):
        super().__init__()
        self.p = p

    def forward(self, x):
        if not self.training:
            return x
        keep = torch.empty_like(x).bernoulli_(1 - self.p)
        return x * keep / (1 - self.p)


layer = MyDropout(0.5)
print(layer(torch.ones(2, 8)))
