import torch

# un réseau à une couche cachée qui apprend le sinus
x = torch.linspace(-3, 3, 200).reshape(-1, 1)
y = torch.sin(x)
poids = [torch.randn(1, 20) * 0.5, torch.zeros(20), torch.randn(20, 1) * 0.5, torch.zeros(1)]
for p in poids:
    p.requires_grad_()


def reseau(x):
    cachee = torch.tanh(x @ poids[0] + poids[1])
    return cachee @ poids[2] + poids[3]


def perte(y_hat, y):
    return ((y_hat - y) ** 2).mean()


for epoch in range(1000):
    l = perte(reseau(x), y)
    l.backward()
    with torch.no_grad():
        for p in poids:
            p -= 0.05 * p.grad
            p.grad.zero_()
