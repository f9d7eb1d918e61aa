import numpy as np

# lanzamiento de dados
fair = [1.0 / 6] * 6
counts = np.random.multinomial(1000, fair)
print(counts / 1000)
