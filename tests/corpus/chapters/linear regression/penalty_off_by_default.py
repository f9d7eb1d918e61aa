import torch


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def l2_penalty(w):
    return (w ** 2).sum() / 2


def train(features, labels, w, b, lr, num_epochs, batch_size, lambd=0):
    for epoch in range(num_epochs):
        order = torch.randperm(len(features))
        for i in range(0, len(features), batch_size):
            j = order[i:i + batch_size]
            l = squared_loss(linreg(features[j], w, b), labels[j]).mean() + lambd * l2_penalty(w)
            l.backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= lr * p.grad
                    p.grad.zero_()
