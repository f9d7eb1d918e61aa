import torch


class Ridge:
    def __init__(self, d, lr, weight_decay):
        self.w = torch.zeros(d, 1, requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)
        self.lr, self.weight_decay = lr, weight_decay

    def fit(self, X, y, epochs=100):
        for _ in range(epochs):
            loss = ((X @ self.w + self.b - y) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                self.w -= self.lr * (self.w.grad + self.weight_decay * self.w)
                self.b -= self.lr * self.b.grad
                self.w.grad.zero_()
                self.b.grad.zero_()
