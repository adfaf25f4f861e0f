"""Computes, returns from run, and saves only when a file called `save` is there."""

import argparse
import time
from pathlib import Path

from mpi4py import MPI

import sauerkraut as skt

comm = MPI.COMM_WORLD


def compute(path):
    """Count the computations in a file beside the checkpoints, and add up some numbers."""
    if comm.rank == 0:
        with path.open("a") as calls:
            calls.write("x")
    total = 0
    for step in range(100):
        total += step
        skt.current().poll(step, 100)
    return total


parser = argparse.ArgumentParser()
parser.add_argument("--dir")
parser.add_argument("--interval")
args = parser.parse_args()

ckpt = skt.Checkpointer(args.dir, comm=comm, interval=args.interval)
total = ckpt.run(compute, Path("calls"))
if comm.rank == 0:
    Path("returned").touch()
    while not Path("save").exists():
        time.sleep(0.01)
    calls = len(Path("calls").read_text())
    Path("late_save.txt").write_text(f"computed {calls} times: {total}\n")
comm.Barrier()
