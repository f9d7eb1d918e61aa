# -*- coding: utf-8 -*-
# 作业一：线性回归的从零开始实现
# 姓名：小明
import random
import torch

# 生成数据集
真实权重 = torch.tensor([2, -3.4])
真实偏置 = 4.2
特征 = torch.normal(0, 1, (1000, 2))
标签 = (torch.matmul(特征, 真实权重) + 真实偏置 + torch.normal(0, 0.01, (1000,))).reshape((-1, 1))


def data_iter(batch_size, features, labels):
    """读取数据集"""
    indices = list(range(len(features)))
    random.shuffle(indices)  # 打乱顺序
    for i in range(0, len(indices), batch_size):
        批 = torch.tensor(indices[i: i + batch_size])
        yield features[批], labels[批]


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


w = torch.normal(0, 0.01, size=(2, 1), requires_grad=True)
b = torch.zeros(1, requires_grad=True)
for 轮 in range(3):
    for X, y in data_iter(10, 特征, 标签):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], 0.03, 10)
    print(f'第 {轮 + 1} 轮，损失 {float(squared_loss(linreg(特征, w, b), 标签).mean()):f}')
