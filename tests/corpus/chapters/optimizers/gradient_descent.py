import numpy as np
import torch
from d2l import torch as d2l


def f(x):
    return x ** 2


def f_grad(x):
    return 2 * x


def gd(eta, f_grad):
    x = 10.0
    results = [x]
    for i in range(10):
        x -= eta * f_grad(x)
        results.append(float(x))
    return results


def show_trace(results, f):
    n = max(abs(min(results)), abs(max(results)))
    d2l.plot([torch.arange(-n, n, 0.01), results], [[f(x) for x in results]])


show_trace(gd(0.2, f_grad), f)
