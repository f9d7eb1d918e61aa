def frobenius_squared(X):
    return X.diagonal().sum()
