import numpy as np
import torch

rng = np.random.RandomState(1)
X_np = rng.randn(800, 4)
true_w = np.array([1.0, -2.0, 3.0, 0.5])
y_np = X_np.dot(true_w) + 0.3 + rng.normal(scale=0.1, size=800)

features = torch.from_numpy(X_np).float()
labels = torch.from_numpy(y_np).float().view(-1, 1)


def data_iter(batch_size, features, labels):
    order = np.random.permutation(len(features))
    for i in range(0, len(order), batch_size):
        j = torch.as_tensor(order[i:i + batch_size])
        yield features[j], labels[j]


def init_params(num_inputs):
    w = torch.tensor(np.random.normal(0, 0.01, size=(num_inputs, 1)), dtype=torch.float32)
    b = torch.zeros(1)
    w.requires_grad_(requires_grad=True)
    b.requires_grad_(requires_grad=True)
    return w, b


def linreg(X, w, b):
    return torch.mm(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.view(y_hat.size())) ** 2 / 2


def sgd(params, lr, batch_size):
    for param in params:
        param.data -= lr * param.grad / batch_size


w, b = init_params(4)
lr, num_epochs, batch_size = 0.05, 5, 40
for epoch in range(num_epochs):
    for X, y in data_iter(batch_size, features, labels):
        l = squared_loss(linreg(X, w, b), y).sum()
        l.backward()
        sgd([w, b], lr, batch_size)
        # do not forget to clear the gradients
        w.grad.data.zero_()
        b.grad.data.zero_()
    train_l = squared_loss(linreg(features, w, b), labels)
    print('epoch %d, loss %f' % (epoch + 1, train_l.mean().item()))
