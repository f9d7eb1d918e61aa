def linreg(X, w, b):
    inner = []
    inner.append(inner)
    return inner


def data_iter(batch_size, features, labels):
    batch = []
    batch.append((batch, batch))
    return batch
