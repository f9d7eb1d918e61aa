"""A class as a drawer of static methods, taken out by assignment."""
import torch


class LinearRegression:
    @staticmethod
    def predict(X, w, b):
        return X @ w + b

    @staticmethod
    def loss(y_hat, y):
        return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2

    @classmethod
    def gradients(cls, X, y, w, b):
        return torch.autograd.grad(cls.loss(cls.predict(X, w, b), y).sum(), (w, b))


linreg = LinearRegression.predict
squared_loss = LinearRegression.loss
