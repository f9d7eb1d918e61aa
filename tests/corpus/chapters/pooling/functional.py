import torch
import torch.nn.functional as F

x = torch.randn(1, 3, 8, 8)
# смотрим на форму
print(F.max_pool2d(x, 2).shape)
print(F.avg_pool2d(x, 2).shape)
