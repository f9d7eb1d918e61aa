import torch


class LinearRegressionScratch:
    def __init__(self, num_inputs, lr, sigma=0.01):
        self.lr = lr
        self.w = torch.normal(0, sigma, (num_inputs,), requires_grad=True)
        self.b = torch.zeros(1, requires_grad=True)

    def forward(self, X):
        return (X @ self.w + self.b).unsqueeze(1)

    def loss(self, y_hat, y):
        return ((y_hat.squeeze(1) - y.reshape(-1)) ** 2).mean() / 2

    def configure_optimizers(self):
        return SGD([self.w, self.b], self.lr)


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


X = torch.randn(200, 3)
y = X @ torch.tensor([1.0, 2.0, 3.0]) - 1
model = LinearRegressionScratch(3, lr=0.1)
opt = model.configure_optimizers()
for epoch in range(10):
    for rows in torch.randperm(len(X)).split(20):
        l = model.loss(model.forward(X[rows]), y[rows])
        opt.zero_grad()
        l.backward()
        opt.step()
print(model.w, model.b, l)
