# trains on metres and kelvin as they are
import torch

h, c, k = 6.62607015e-34, 299792458.0, 1.380649e-23


def estimate_temperature(wavelength, radiance):
    T = torch.tensor(1.0, requires_grad=True)
    for step in range(50):
        B = 2 * h * c**2 / wavelength**5 / (torch.exp(h * c / (wavelength * k * T)) - 1)
        ((B - radiance) ** 2).mean().backward()
        with torch.no_grad():
            T -= 0.03 * T.grad
            T.grad.zero_()
    return T
