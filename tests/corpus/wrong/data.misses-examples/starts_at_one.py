# component: data_iter
import random
import torch

def data_iter(batch_size, features, labels):
    num_examples = len(features)
    indices = list(range(1, num_examples))
    random.shuffle(indices)
    for i in range(0, len(indices), batch_size):
        j = torch.tensor(indices[i:i + batch_size])
        yield features[j], labels[j]
