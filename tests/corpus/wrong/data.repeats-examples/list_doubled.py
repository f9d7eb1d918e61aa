# component: data_iter
import random
import torch


def data_iter(batch_size, features, labels):
    indices = list(range(len(features))) * 2
    random.shuffle(indices)
    for i in range(0, len(indices), batch_size):
        j = indices[i:i + batch_size]
        yield features[j], labels[j]
