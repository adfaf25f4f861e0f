"""Ranks that step at a given pace and add up numbers that depend on all steps and all ranks.

At each step 8000 bytes go from each rank to the next, in a ring.

    paced.py --dir DIR --steps N --pause SECONDS --interval TIME --result FILE

Rank 0 writes the sum, with all its digits, to FILE, in which `$NAME` stands for a variable of the
environment, and under Slurm how often the job was requeued to `restart-count`.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
from mpi4py import MPI

import sauerkraut as skt


def add_up(steps, pause):
    rng = np.random.default_rng([7, comm.rank])
    values, received = rng.random(1000), np.empty(1000)
    for step in range(steps):
        comm.Sendrecv(values, (comm.rank + 1) % comm.size, recvbuf=received)
        mean = comm.allreduce(float(values[step % 1000])) / comm.size
        mixed = 0.8 * values + 0.1 * received + 0.1 * mean  # all between 0 and 1
        values = 3.9 * mixed * (1 - mixed)  # chaotic: one wrong bit soon changes all
        time.sleep(pause)
        ckpt.poll(step, steps)
    return comm.allreduce(float(values.sum()))


parser = argparse.ArgumentParser()
parser.add_argument("--dir", default="ckpt")
parser.add_argument("--steps", type=int, default=150)
parser.add_argument("--pause", type=float, default=0.02)
parser.add_argument("--interval", default="0.2s")
parser.add_argument("--result", default="result")
options = parser.parse_args()

comm = MPI.COMM_WORLD
if comm.rank == 0 and "SLURM_JOB_ID" in os.environ:
    Path("restart-count").write_text(os.environ.get("SLURM_RESTART_COUNT", "0"))
ckpt = skt.Checkpointer(options.dir, comm, interval=options.interval)
total = ckpt.run(add_up, options.steps, options.pause)
if comm.rank == 0:
    Path(os.path.expandvars(options.result)).write_text(f"{total!r} on {comm.size}\n")
