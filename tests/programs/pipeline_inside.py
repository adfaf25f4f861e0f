"""A pipeline inside of Checkpointer.run that may be killed: at a call on the disk, or in a step.

pipeline_inside.py PATH LOG RANKS [call N | entry N]; of several ranks, the last is killed. What a
rank does is appended to LOG.RANK, an entry a line.
"""

import os
import signal
import sys
from pathlib import Path

import numpy as np

import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow
from sauerkraut.testing import faults

path, log, ranks, *kill = sys.argv[1:]
comm, rank, last = None, 0, 0
if ranks != "1":
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    rank, last = comm.rank, comm.size - 1
killed = rank == last and bool(kill)
# of this start: a global that is data would come back from the epoch
sys.entries = 0
tries = []


class Walk:
    """A class of ``__main__`` that the state holds."""

    def __init__(self):
        self.at = [0]


def enter(text):
    """Append an entry to the log; the program may end with it."""
    with Path(f"{log}.{rank}").open("a") as file:
        file.write(f"{text}\n")
    sys.entries += 1
    if sys.argv[4:] == ["entry", str(sys.entries)] and rank == last:
        os.kill(os.getpid(), signal.SIGKILL)


def work(state, data, index):
    enter(f"step {index}")
    state["field"] = state["field"] * 1.5 + index
    if comm is not None:
        comm.Allreduce(MPI.IN_PLACE, state["field"])
    state["walk"].at.append(int(state["random"].integers(100)))
    data["sums"].append(float(state["field"].sum()))


on_change = "rerun" if ranks == "4" else "error"  # the one keeps copies of states
flow = CheckpointFlow("nowhere", quiet=True, on_change=on_change)


@flow.add_step(load=lambda state: {"sums": [state["walk"].at[0]]})
def step_0(state, data):
    work(state, data, 0)
    state["same"] = data["sums"]


@flow.add_step()
def step_1(state, data):
    work(state, data, 1)
    many = len(data["sums"])
    state["rule"] = lambda x: x + many


@flow.add_step(timeout=600)
def step_2(state, data):
    work(state, data, 2)
    for turn in range(3):
        enter(f"turn {turn}")
        state["field"] += turn
        skt.current().checkpoint(turn=turn)


@flow.add_step(retries=1)
def step_3(state, data):
    work(state, data, 3)
    tries.append(3)
    if len(tries) == 1 and rank == last:
        raise ValueError("once")


@flow.add_step()
def step_4(state, data):
    work(state, data, 4)


def program():
    state = {"field": np.arange(2000.0), "walk": Walk(), "random": np.random.default_rng(7 + rank)}
    assert flow.run(state) is state
    assert state["same"] == state["same"][:]
    assert isinstance(state["walk"], Walk)
    return f"{state['field'].sum()} {state['walk'].at} {state['rule'](1)} {state['same']}"


if killed and kill[0] == "call":
    faults.injected(faults.Killing(int(kill[1]))).__enter__()
checkpointer = skt.Checkpointer(path, comm, interval=None, quiet=True)
said = checkpointer.run(program)
if comm is not None:
    said = comm.gather(said)
if rank == 0:
    print(said)
