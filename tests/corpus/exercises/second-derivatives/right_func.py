from torch.func import grad, vmap


def second_derivative(f, x):
    return vmap(grad(grad(f)))(x)
