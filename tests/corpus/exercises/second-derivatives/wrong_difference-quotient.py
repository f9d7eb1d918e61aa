def second_derivative(f, x):
    h = 1e-2
    return (f(x + h) - 2 * f(x) + f(x - h)) / h**2
