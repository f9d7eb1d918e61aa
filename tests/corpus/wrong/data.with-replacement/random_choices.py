# component: data_iter
import random
import torch

def data_iter(batch_size, features, labels):
    rows = random.choices(range(len(features)), k=len(features))
    for i in range(0, len(rows), batch_size):
        yield features[rows[i:i + batch_size]], labels[rows[i:i + batch_size]]
