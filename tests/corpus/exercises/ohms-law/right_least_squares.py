def estimate_resistance(voltage, current):
    return (voltage * current).sum() / (current**2).sum()
