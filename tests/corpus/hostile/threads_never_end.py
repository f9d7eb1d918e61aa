"""Eight threads that are not daemons sleep for 120 s."""
import threading
import time

for _ in range(8):
    threading.Thread(target=time.sleep, args=(120,), daemon=False).start()


def squared_loss(y_hat, y):
    return (y_hat - y.reshape(y_hat.shape)) ** 2
