"""线性回归：从零开始实现。"""
import random

import torch


def 打乱(数量):
    次序 = list(range(数量))
    random.shuffle(次序)  # 这些样本是随机读取的，没有特定的顺序
    return 次序


def data_iter(batch_size, features, labels):
    次序 = 打乱(len(features))
    for i in range(0, len(次序), batch_size):
        小批量 = torch.tensor(次序[i : i + batch_size])
        yield features[小批量], labels[小批量]


def linreg(X, w, b):
    """线性回归模型"""
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    """均方损失"""
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    """小批量随机梯度下降"""
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def train(features, labels, w, b, lr, num_epochs, batch_size):
    for _ in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            l = squared_loss(linreg(X, w, b), y)  # 小批量损失
            l.sum().backward()
            sgd([w, b], lr, len(X))  # 使用参数的梯度更新参数
    return w, b
