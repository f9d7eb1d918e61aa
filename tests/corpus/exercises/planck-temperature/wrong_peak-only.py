def estimate_temperature(wavelength, radiance):
    return 2.898e-3 / wavelength[radiance.argmax()]
