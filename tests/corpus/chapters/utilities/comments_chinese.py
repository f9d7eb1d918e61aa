import time
import matplotlib.pyplot as plt


class Timer:
    """记录多次运行时间"""

    def stop(self):
        return time.time()


class Accumulator:
    """在n个变量上累加"""

    def __init__(self, n):
        self.data = [0.0] * n


class Animator:
    """在动画中绘制数据"""

    def add(self, x, y):
        plt.plot(x, y)
