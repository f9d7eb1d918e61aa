import torch

# 权重衰减: 全部自己实现


def data_iter(batch_size, features, labels):
    idx = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        j = idx[i:i + batch_size]
        yield features[j], labels[j]


def linreg(X, w, b):
    return torch.mm(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.view(y_hat.size())) ** 2 / 2


def sgd(params, lr, batch_size):
    for p in params:
        p.data -= lr * p.grad / batch_size


def l2_penalty(w):
    return (w ** 2).sum() / 2


def fit_and_plot(lambd, features, labels):
    w = torch.randn((200, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for _ in range(100):
        for X, y in data_iter(1, features, labels):
            l = squared_loss(linreg(X, w, b), y) + lambd * l2_penalty(w)
            l = l.sum()
            if w.grad is not None:
                w.grad.data.zero_()
                b.grad.data.zero_()
            l.backward()
            sgd([w, b], 0.003, 1)
