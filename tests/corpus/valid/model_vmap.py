"""Model for one example, mapped over the batch by torch.func.vmap."""
import torch
from torch.func import vmap


def predict_one(x, w, b):
    return (x * w.reshape(-1)).sum() + b


linreg = vmap(predict_one, in_dims=(0, None, None))
