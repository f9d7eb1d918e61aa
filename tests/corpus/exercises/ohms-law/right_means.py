def estimate_resistance(voltage, current):
    return voltage.mean() / current.mean()
