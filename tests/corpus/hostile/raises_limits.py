"""Tries to lift its own limits and to become somebody else."""
import os
import resource

for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NPROC", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
    try:
        resource.setrlimit(getattr(resource, name), (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except (OSError, ValueError):
        pass
for attempt in (lambda: os.nice(-5), lambda: os.chdir("/"), lambda: os.setpgid(0, 0)):
    try:
        attempt()
    except OSError:
        pass


def squared_loss(y_hat, y):
    return y_hat * 0
