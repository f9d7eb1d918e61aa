import torch

weights = torch.tensor([0.1, 0.4, 0.5])
draws = torch.multinomial(weights, 1000, replacement=True)
print(torch.bincount(draws) / 1000)
