#!/usr/bin/env python3
"""Homework 2, problem 3."""
import argparse

import torch


def data_iter(batch_size, features, labels):
    for rows in torch.randperm(len(features)).split(batch_size):
        yield features[rows], labels[rows]


def linreg(X, w, b):
    return torch.matmul(X, w) + b


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", required=True)
    args = parser.parse_args()
    features, labels = torch.load(args.data)
    w = torch.zeros(features.shape[1], 1, requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    for X, y in data_iter(10, features, labels):
        squared_loss(linreg(X, w, b), y).sum().backward()
        sgd([w, b], 0.03, len(y))


if __name__ == "__main__":
    main()
