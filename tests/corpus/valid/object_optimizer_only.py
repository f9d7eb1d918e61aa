"""Only the optimizer of the object form, on _foreach operations."""
import torch


class SGD:
    def __init__(self, params, lr):
        self.params = [*params]
        self.lr = lr

    def step(self):
        with torch.no_grad():
            torch._foreach_sub_(self.params, torch._foreach_mul([p.grad for p in self.params], self.lr))

    def zero_grad(self):
        [setattr(p, "grad", None) for p in self.params]
