def frobenius_squared(X):
    return float((X * X).sum())
