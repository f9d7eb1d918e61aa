"""The loss as an autograd Function with its backward pass by hand."""
import torch


class HalfSquare(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y_hat, y):
        error = y_hat - y
        ctx.save_for_backward(error)
        return error * error / 2

    @staticmethod
    def backward(ctx, upstream):
        (error,) = ctx.saved_tensors
        return upstream * error, -upstream * error


def squared_loss(y_hat, y):
    return HalfSquare.apply(y_hat, y.reshape(y_hat.shape))
