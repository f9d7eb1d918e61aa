import numpy as np
import matplotlib.pyplot as plt


def wuerfeln(n):
    return np.random.default_rng(0).multinomial(n, [1 / 6] * 6)


plt.bar(range(6), wuerfeln(600))
