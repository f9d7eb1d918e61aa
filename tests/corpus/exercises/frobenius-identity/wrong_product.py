def frobenius_squared(X):
    return X.T @ X
