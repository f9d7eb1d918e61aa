import torch

torch.manual_seed(0)

n, d = 1003, 3
true_w, true_b = torch.tensor([1.5, -2.0, 0.7]), -1.0
features = torch.randn(n, d)
labels = (features @ true_w + true_b + 0.05 * torch.randn(n)).unsqueeze(1)


def data_iter(batch_size, features, labels):
    perm = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        idx = perm[i:i + batch_size]
        yield features[idx], labels[idx]

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    return 0.5 * (y_hat - y) .pow(2) if y.shape == y_hat.shape else 0.5 * (y_hat - y.view(y_hat.shape)).pow(2)

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()

w = torch.randn(d, 1).mul(0.01).requires_grad_()
b = torch.zeros(1, requires_grad=True)
for epoch in range(5):
    for X, y in data_iter(32, features, labels):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], 0.05, y.shape[0])     # the last batch has only 11 rows!
    print(epoch, squared_loss(linreg(features, w, b), labels).mean().item())
