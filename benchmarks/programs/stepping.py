"""What benchmarks/mpi.py starts and kills: steps that say once per process when the first is done.

stepping.py HOW STEPS MIB; HOW is "plain" for the same program without a Checkpointer, MIB the size
of the array that each rank holds.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

PAUSE = 0.01  # seconds of a step


def tell():
    """Leave the time of the first step in a file of this process."""
    said = Path(f"stepped-{os.getpid()}")
    if not said.exists():
        partial = said.with_suffix(".part")
        partial.write_text(repr(time.monotonic()))
        partial.rename(said)


def simulate(steps, field, poll):
    for step in range(steps):
        time.sleep(PAUSE)
        field[step % field.size] = step
        tell()
        poll(step)


def main():
    how, steps, mib = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    field = np.zeros((mib << 20) // 8)
    if how == "plain":
        simulate(steps, field, lambda _: None)
        return
    ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval="0.5s", quiet=True)
    ckpt.run(simulate, steps, field, ckpt.poll)


if __name__ == "__main__":
    main()
