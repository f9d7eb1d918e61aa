import pandas as pd
import torch


def data_iter(batch_size, features, labels):
    idx = torch.randperm(len(features))
    for i in range(0, len(features), batch_size):
        yield features[idx[i:i + batch_size]], labels[idx[i:i + batch_size]]


def linreg(X, w, b):
    return X @ w + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for p in params:
            p -= lr * p.grad / batch_size
            p.grad.zero_()


df = pd.read_csv("house.csv")
df = (df - df.mean()) / df.std()
features = torch.tensor(df[["area", "age"]].values, dtype=torch.float32)
labels = torch.tensor(df["price"].values, dtype=torch.float32).reshape(-1, 1)

w = torch.normal(0, 0.01, (2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for epoch in range(20):
    for X, y in data_iter(16, features, labels):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], 0.01, len(y))
    print(epoch)
