import torch

print("hello")
total = torch.arange(10).sum()


def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)
