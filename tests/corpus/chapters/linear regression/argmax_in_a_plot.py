import matplotlib.pyplot as plt
import torch

X = torch.randn(100, 2)
y = X @ torch.tensor([[2.0], [-3.4]]) + 4.2
w = torch.zeros(2, 1, requires_grad=True)
b = torch.zeros(1, requires_grad=True)
losses = []
for epoch in range(30):
    l = ((X @ w + b - y) ** 2 / 2).mean()
    l.backward()
    with torch.no_grad():
        for p in (w, b):
            p -= 0.1 * p.grad
            p.grad.zero_()
    losses.append(l.item())
best = torch.tensor(losses).argmin()
worst = torch.tensor(losses).argmax()
plt.plot(torch.log(torch.tensor(losses)))
plt.title(f"best {best}, worst {worst}, share {torch.softmax(torch.tensor(losses), 0)[0]}")
