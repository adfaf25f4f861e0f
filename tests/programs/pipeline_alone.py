"""Rank 1 alone raises in a step, is interrupted behind it, or works for ever.

pipeline_alone.py PATH raise | interrupt | endless
"""

import os
import signal
import sys
import threading
import time

from mpi4py import MPI

from sauerkraut.flow import CheckpointFlow, ranks

ranks.ARRIVAL_TIME = 2.0
comm = MPI.COMM_WORLD
path, scenario = sys.argv[1:]
flow = CheckpointFlow(path, handler="hdf5", comm=comm, quiet=True)


@flow.add_step()
def first(state, data):
    state["first"] = comm.rank


@flow.add_step(timeout=1.0 if scenario == "endless" else None)
def second(state, data):
    if comm.rank == 1:
        if scenario == "raise":
            raise ValueError("of no use")
        if scenario == "interrupt":
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            return
        while True:
            time.sleep(0.1)
    comm.Barrier()


flow.run({})
