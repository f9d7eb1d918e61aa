import matplotlib.pyplot as plt
import torch

# Ableitung des Sinus, ohne cos zu benutzen
x = torch.linspace(-3, 3, 100, requires_grad=True)
y = torch.sin(x)
y.sum().backward()
plt.plot(x.detach(), x.grad)
