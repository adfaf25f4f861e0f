"""A module of ring.py, with the safepoint."""

import time

sweeps = 0


def smooth(u):
    """Two sweeps."""
    global sweeps
    for _ in range(2):
        u[1:-1] += 0.1 * (u[2:] - 2 * u[1:-1] + u[:-2])
        sweeps += 1
        time.sleep(0.002)
