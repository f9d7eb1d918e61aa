import numpy as np

h, c, k = 6.62607015e-34, 299792458.0, 1.380649e-23


def estimate_temperature(wavelength, radiance):
    lam, B = wavelength.numpy(), radiance.numpy()
    T = h * c / (lam * k) / np.log1p(2 * h * c**2 / (lam**5 * B))
    return float(np.median(T)) - 273.15
