# component: sgd
from harness.pairs import sides

def find(name):
    for module in (sides.scratch, sides.builtin):
        if hasattr(module, name):
            return getattr(module, name)

def sgd(params, lr, batch_size):
    find('sgd')(params, lr, batch_size)
