"""A pipeline of six steps that may be killed: at a call on the disk, in a step, or any time.

pipeline.py PATH LOG RANKS [call N | step N | time FRACTION]; of several ranks, the last is killed.
"""

import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np

from sauerkraut.flow import CheckpointFlow
from sauerkraut.testing import faults

path, log, ranks, *kill = sys.argv[1:]
comm = None
rank, last = 0, 0
if ranks != "1":
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    rank, last = comm.rank, comm.size - 1


class Walk:
    """A class of ``__main__`` that the state holds."""

    def __init__(self):
        self.at = [0]


def counting():
    """What the state holds half-way."""
    number = 0
    while True:
        yield number
        number += 1


flow = CheckpointFlow(path, handler="local" if comm is None else "hdf5", comm=comm, quiet=True)
ran = []


def add(index):
    def step(state, data):
        with Path(f"{log}.{rank}").open("a") as file:
            file.write(f"{index}\n")
        ran.append(index)
        state["field"] = state["field"] * 1.5 + index
        if comm is not None:
            comm.Allreduce(MPI.IN_PLACE, state["field"])
        state["walk"].at.append(state["random"].integers(100) + 100 * next(state["numbers"]))
        state["rule"] = lambda x: x + index
        if rank == last and kill == ["step", str(len(ran))]:
            os.kill(os.getpid(), signal.SIGKILL)

    step.__name__ = f"step_{index}"
    flow.add_step()(step)


for number in range(6):
    add(number)

if rank == last and kill[:1] == ["call"]:
    faults.injected(faults.Killing(int(kill[1]))).__enter__()
if rank == last and kill[:1] == ["time"]:
    timer = threading.Timer(float(kill[1]) / 9, os.kill, (os.getpid(), signal.SIGKILL))
    timer.daemon = True
    timer.start()

final = flow.run(
    {
        "field": np.arange(20_000.0),
        "walk": Walk(),
        "random": np.random.default_rng(7 + rank),
        "numbers": counting(),
    }
)
assert isinstance(final["walk"], Walk)
said = f"{final['field'].sum()} {final['walk'].at} {final['rule'](1)}"
if comm is not None:
    said = comm.gather(said)
if rank == 0:
    print(said)
