import numpy as np


def planck(lam, T):
    return 2 * 6.626e-34 * 2.998e8**2 / lam**5 / np.expm1(6.626e-34 * 2.998e8 / (lam * 1.381e-23 * T))


def estimate_temperature(wavelength, radiance):
    lam, B = wavelength.numpy(), radiance.numpy()
    temperatures = np.arange(2000, 9000, 2.0)
    errors = [((planck(lam, T) / B - 1) ** 2).sum() for T in temperatures]
    return temperatures[int(np.argmin(errors))]
