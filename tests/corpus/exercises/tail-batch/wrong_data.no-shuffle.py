def data_iter(batch_size, features, labels):
    yield from zip(features.split(batch_size), labels.split(batch_size))
