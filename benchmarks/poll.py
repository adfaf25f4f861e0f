"""What `poll()` costs when nothing is due, against an empty method with the same arguments.

    python benchmarks/poll.py

One process, comm=None. The loop calls poll as a program does; its interval is never over, so only
consensuses happen, and they are in the time. Ratios are of one run; the median of several rounds.
"""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import sauerkraut as skt

ROUNDS = 9
CALLS = 200_000


class Empty:
    """What a program would call instead."""

    def poll(self, step=None, of=None, **metrics):
        """Do nothing."""


def seconds(poll):
    """Seconds that CALLS calls take."""
    began = time.perf_counter()
    for step in range(CALLS):
        poll(step, CALLS)
    return time.perf_counter() - began


def measure():
    """Ratios and nanoseconds, the two in turns so that both meet the same machine."""
    empty, ours = Empty().poll, skt.current().poll
    seconds(empty)
    seconds(ours)
    pairs = [(seconds(empty), seconds(ours)) for _ in range(ROUNDS)]
    ratio = statistics.median(b / a for a, b in pairs)
    return ratio, *(statistics.median(column) / CALLS * 1e9 for column in zip(*pairs, strict=True))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.pop("SAUERKRAUT_SIGNAL_LATENCY", None)
        checkpointer = skt.Checkpointer(Path(scratch) / "ckpt", interval="10h", quiet=True)
        ratio, empty, ours = checkpointer.run(measure)
    print(
        f"poll, nothing due: {ours:.0f} ns; empty method: {empty:.0f} ns; ratio {ratio:.2f} "
        f"(median of {ROUNDS}; Python {sys.version.split()[0]})"
    )
    print("calls of MPI in a poll between two consensuses: 0, asserted in tests/mpi")
