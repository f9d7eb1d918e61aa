import torch


def data_iter(batch_size, features, labels):
    order = torch.randperm(len(features))
    for i in range(0, len(order), batch_size):
        yield features[order[i:i + batch_size]], labels[order[i:i + batch_size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for epoch in range(num_epochs):
        for i, (X, y) in enumerate(data_iter(batch_size, features, labels)):
            l = squared_loss(linreg(X, w, b), y)
            l.sum().backward()
            sgd([w, b], lr, len(y))
            if i > 0:  # TODO remove, just for debugging
                break
        print(epoch, l.mean().item())
    return w, b
