import torch

true_w = torch.tensor([2, -3.4])
true_b = 4.2
features = torch.randn(1000, 2)
labels = features @ true_w + true_b + torch.randn(1000) * 0.01   # (1000,)

def data_iter(batch_size, features, labels):
    indices = torch.randperm(len(labels))
    for i in range(0, len(labels), batch_size):
        j = indices[i: i + batch_size]
        yield features[j], labels[j]

w = torch.normal(0, 0.01, (2,), requires_grad=True)    # (2,), not (2, 1)
b = torch.zeros(1, requires_grad=True)

def linreg(X, w, b):
    return X @ w + b

def squared_loss(y_hat, y):
    # both have shape (m,) here, but let's be careful
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()

net, loss = linreg, squared_loss
for epoch in range(3):
    for X, y in data_iter(10, features, labels):
        loss(net(X, w, b), y).sum().backward()
        sgd([w, b], 0.03, 10)
    with torch.no_grad():
        print("epoch", epoch + 1, "loss", loss(net(features, w, b), labels).mean().item())
print(w, true_w)
print(b, true_b)
