"""Rank 1 alone raises in a step, is interrupted behind it, or works for ever.

pipeline_alone.py PATH raise | interrupt | endless | early | blocked

early: it may try again, and fails long before the others end the step; blocked: they wait for it.
"""

import os
import signal
import sys
import threading
import time

from mpi4py import MPI

from sauerkraut.flow import CheckpointFlow, ranks

comm = MPI.COMM_WORLD
path, scenario = sys.argv[1:]
ranks.ARRIVAL_TIME = 0.5 if scenario in ("early", "blocked") else 2.0
flow = CheckpointFlow(path, handler="hdf5", comm=comm, quiet=True)


@flow.add_step()
def first(state, data):
    state["first"] = comm.rank


tries = []


@flow.add_step(
    timeout=1.0 if scenario in ("endless", "blocked") else None,
    retries=1 if scenario in ("early", "blocked") else 0,
)
def second(state, data):
    tries.append(state.pop("first"))
    if scenario == "early":
        if comm.rank != 1:
            time.sleep(1.5)  # three times as long as the others have to come
        elif len(tries) == 1:
            raise ValueError("of no use")
        return
    if comm.rank == 1:
        if scenario in ("raise", "blocked"):
            raise ValueError("of no use")
        if scenario == "interrupt":
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            return
        while True:
            time.sleep(0.1)
    comm.Barrier()


flow.run({})
assert tries == [comm.rank] * 2
