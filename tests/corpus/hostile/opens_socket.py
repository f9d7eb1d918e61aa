"""Tries to connect to its own machine and to a documentation address that nobody answers."""
import socket

reached = []
for address in (("127.0.0.1", 9), ("192.0.2.1", 80)):
    try:
        socket.create_connection(address, timeout=0.5).close()
        reached.append(address)
    except OSError:
        pass


def squared_loss(y_hat, y):
    return y_hat * 0
