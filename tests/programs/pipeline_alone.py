"""Rank 1 alone raises in a step, is interrupted behind it, or works for ever.

pipeline_alone.py PATH raise | interrupt | endless | early | polling | blocked | gone

early: it may try again, and fails long before the others end the step; polling: they poll without
end; blocked: they wait for it; gone: rank 0 is killed meanwhile.
"""

import os
import signal
import sys
import threading
import time

from mpi4py import MPI

import sauerkraut as skt
from sauerkraut.checkpoint import run
from sauerkraut.flow import CheckpointFlow, ranks

comm = MPI.COMM_WORLD
path, scenario = sys.argv[1:]
repeats = scenario in ("early", "polling", "blocked", "gone")
ranks.ARRIVAL_TIME = run.ARRIVAL_TIME = 0.5 if repeats else 2.0
flow = CheckpointFlow(path, handler="hdf5", comm=comm, quiet=True)


@flow.add_step()
def first(state, data):
    state["first"] = comm.rank


tries = []


@flow.add_step(
    timeout=1.0 if scenario in ("endless", "blocked") else None,
    retries=1 if repeats else 0,
    interval="1h" if scenario == "polling" else None,
)
def second(state, data):
    tries.append(state.pop("first"))
    if scenario in ("early", "polling", "gone"):
        if comm.rank != 1:
            time.sleep(1.5)  # three times as long as the others have to come
            if scenario == "gone" and comm.rank == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            while scenario == "polling" and len(tries) == 1:
                skt.current().poll()
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
