# component: squared_loss
import random
import torch

def data_iter(batch_size, features, labels):
    num_examples = len(features)
    indices = list(range(num_examples))
    random.shuffle(indices)
    for i in range(0, num_examples, batch_size):
        j = torch.tensor(indices[i:i + batch_size])
        yield features[j], labels[j]

def linreg(X, w, b):
    return torch.matmul(X, w) + b

def residual(y_hat, y):
    return -y_hat - y.reshape(y_hat.shape)

def squared_loss(y_hat, y):
    return residual(y_hat, y) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()
