"""A pipeline whose second step checkpoints inside of it, and may leave at one of its turns.

pipeline_polling.py PATH RANKS [leave TURN]; with MENDED in the environment it is another step.
RANKS may be hdf5: one, with states in a directory.
"""

import os
import sys

import numpy as np

import sauerkraut as skt
from sauerkraut.flow import CheckpointFlow

path, ranks, *leave = sys.argv[1:]
comm, rank = None, 0
if ranks not in ("1", "hdf5"):
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    rank = comm.rank


def say(text):
    """Print a line in one piece, so that those of two ranks do not mix."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


flow = CheckpointFlow(path, handler="local" if ranks == "1" else "hdf5", comm=comm)


@flow.add_step(load=lambda state: {"table": np.arange(10_000)})
def first(state, data):
    say("first")
    state["sum"] = rank


def second(state, data, *, turns):
    data["seen"] = []
    for turn in range(turns):
        state["sum"] += turn
        data["seen"].append(turn)
        epoch = skt.current().checkpoint()
        if leave == ["leave", str(turn)] and isinstance(epoch, skt.Epoch):
            os._exit(0)
        say(f"turn {turn}")


def mended(state, data, *, turns):
    say("mended")
    state["sum"] = -1
    data["seen"] = []


if "MENDED" in os.environ:
    second.__code__ = mended.__code__
flow.add_step(interval="1h", params={"turns": 4})(second)


@flow.add_step()
def third(state, data):
    say(f"third {state['sum']} {data['seen']}")


final = flow.run({})
assert final["checkpoint_index"] == 0
