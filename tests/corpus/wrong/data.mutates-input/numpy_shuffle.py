# component: data_iter
import numpy as np
import torch

def shuffle_together(a, b):
    state = np.random.get_state()
    np.random.shuffle(a)
    np.random.set_state(state)
    np.random.shuffle(b)

def data_iter(batch_size, features, labels):
    shuffle_together(features.numpy(), labels.numpy())
    n = len(features)
    for i in range(0, n, batch_size):
        X = features[i:i + batch_size]
        y = labels[i:i + batch_size]
        yield X, y

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2
