def second_derivative(f, x):
    x.requires_grad_()
    f(x).sum().backward()
    return x.grad
