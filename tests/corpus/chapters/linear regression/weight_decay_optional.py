import torch


def model(X, w, b):
    return X @ w + b


def loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size, weight_decay=0.0):
    with torch.no_grad():
        for p in params:
            p -= lr * (p.grad / batch_size + weight_decay * p)
            p.grad.zero_()


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for i in range(0, len(features), batch_size):
            X, y = features[i:i + batch_size], labels[i:i + batch_size]
            loss(model(X, w, b), y).sum().backward()
            sgd([w, b], lr, len(X))
