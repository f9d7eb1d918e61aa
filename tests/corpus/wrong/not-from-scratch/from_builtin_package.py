# component: data_iter
import builtin

def data_iter(batch_size, features, labels):
    yield from builtin.data_iter(batch_size, features, labels)
