# component: train
import random
import torch

class SGD:
    def __init__(self, params, lr):
        self.params = params
        self.lr = lr
    def step(self):
        with torch.no_grad():
            for p in self.params:
                p -= self.lr * p.grad
    def zero_grad(self):
        for p in self.params:
            if p.grad is not None:
                p.grad.zero_()

class LinearRegressionScratch:
    def __init__(self, num_inputs, lr, sigma=0.01):
        self.lr = lr
        self.w = torch.normal(0, sigma, (num_inputs, 1), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)
    def forward(self, X):
        return torch.matmul(X, self.w) + self.b
    def loss(self, y_hat, y):
        return ((y_hat - y.reshape(y_hat.shape)) ** 2 / 2).mean()
    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)

def data_iter(batch_size, features, labels):
    idx = list(range(len(features)))
    random.shuffle(idx)
    for i in range(0, len(idx), batch_size):
        yield features[idx[i:i + batch_size]], labels[idx[i:i + batch_size]]

features = torch.randn(64, 2)
labels = features @ torch.tensor([[2.0], [-3.4]]) + 4.2

for epoch in range(3):
    model = LinearRegressionScratch(2, lr=0.03)
    optim = model.configure_optimizers()
    for X, y in data_iter(8, features, labels):
        loss = model.loss(model.forward(X), y)
        optim.zero_grad()
        loss.backward()
        optim.step()
    print(f'epoch {epoch + 1}, loss {float(loss):f}')
