import torch


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def accuracy(y_hat, y):
    return (y_hat.argmax(dim=1) == y).float().mean()


def mse_of_a_classifier(logits, y):
    one_hot = torch.nn.functional.one_hot(y, 10)
    return ((torch.softmax(logits, dim=1) - one_hot) ** 2).mean()
