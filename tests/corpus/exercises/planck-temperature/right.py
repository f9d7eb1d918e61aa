import torch

h, c, k = 6.62607015e-34, 299792458.0, 1.380649e-23


def estimate_temperature(wavelength, radiance):
    micron = wavelength * 1e6
    target = torch.log(radiance / radiance.max())
    t = torch.tensor(4.0, dtype=torch.float64, requires_grad=True)  # thousands of kelvin
    a = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    x = h * c / k * 1e6 / 1e3 / micron
    optimizer = torch.optim.Adam([t, a], lr=0.3)
    for step in range(300):
        optimizer.zero_grad()
        logs = a - 5 * torch.log(micron) - torch.log(torch.expm1(x / t))
        ((logs - target) ** 2).mean().backward()
        optimizer.step()
    return 1000 * t.item()
