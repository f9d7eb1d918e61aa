import torch

# 优化算法比较


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.view(y_hat.shape)) ** 2 / 2


def sgd(params, states, hyperparams):
    for p in params:
        p.data -= hyperparams['lr'] * p.grad.data


def train_ch7(optimizer_fn, states, hyperparams, features, labels, batch_size=10, num_epochs=2):
    w = torch.normal(0, 0.01, (features.shape[1], 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for _ in range(num_epochs):
        for i in range(0, len(features), batch_size):
            l = squared_loss(linreg(features[i:i + batch_size], w, b), labels[i:i + batch_size]).mean()
            l.backward()
            optimizer_fn([w, b], states, hyperparams)
            w.grad.zero_()
            b.grad.zero_()
