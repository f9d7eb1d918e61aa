def estimate_resistance(voltage, current):
    return voltage[0] / current[0]
