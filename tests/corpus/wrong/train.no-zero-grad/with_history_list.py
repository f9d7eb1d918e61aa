# component: train
import numpy as np
import torch

def data_iter(batch_size, features, labels):
    order = np.arange(len(features))
    np.random.shuffle(order)
    for i in range(0, len(order), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]

def linreg(X, w, b):
    return X @ w + b

def mse_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)).pow(2).mean()

def train(features, labels, w, b, lr, num_epochs, batch_size):
    losses = []
    for epoch in range(num_epochs):
        running = 0.0
        for i, (X, y) in enumerate(data_iter(batch_size, features, labels)):
            loss = mse_loss(linreg(X, w, b), y)
            loss.backward()
            with torch.no_grad():
                w -= lr * w.grad
                b -= lr * b.grad
            running += loss.item()
        losses.append(running / (i + 1))
    return w, b
