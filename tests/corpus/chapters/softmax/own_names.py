import torch


def zufaellige_gewichte(eingaenge, klassen):
    W = torch.randn(eingaenge, klassen) * 0.01
    W.requires_grad_()
    b = torch.zeros(klassen, requires_grad=True)
    return W, b


W, b = zufaellige_gewichte(28 * 28, 10)


def wahrscheinlichkeiten(bilder):  # die Softmax-Funktion
    z = bilder.view(-1, 28 * 28).mm(W) + b
    return z.exp() / z.exp().sum(dim=1, keepdim=True)


def kosten(p, y):
    return -p.gather(1, y.view(-1, 1)).log().mean()


def genauigkeit(p, y):
    return (p.argmax(dim=1) == y).float().mean()


def schritt(lr):
    with torch.no_grad():
        for q in (W, b):
            q -= lr * q.grad
            q.grad.zero_()
