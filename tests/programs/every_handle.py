"""Uses a handle of every kind that comes back, at every step; KILL_AT ends it midway."""

import os
import signal
import sys
from functools import partial

import numpy as np
from mpi4py import MPI
from mpi4py.util import pkl5

import sauerkraut as skt

STEPS = 5
WORLD = MPI.COMM_WORLD
KEYVAL = MPI.Comm.Create_keyval()
OF_TYPES = MPI.Datatype.Create_keyval()
of_module = {}
"""Handles that the run puts into a global."""


class Own(MPI.Intracomm):
    """As programs derive them."""


class Held:
    """Handles in attributes."""

    def __init__(self, comm, other):
        every = [rank for rank in range(comm.size) if rank != comm.rank]
        index = [(i + 1) * (comm.size - 1) for i in range(comm.size)]
        edges = [rank for i in range(comm.size) for rank in range(comm.size) if rank != i]
        self.graph = comm.Create_graph(index, edges)
        self.ring = comm.Create_dist_graph_adjacent([other], [other], [3], [4])
        self.every = every


def poll(step):
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch) and os.environ.get("KILL_AT") == str(step):
        WORLD.barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def largest(scale, x, y, _):
    mine, theirs = np.frombuffer(x), np.frombuffer(y)
    np.maximum(scale * mine, scale * theirs, out=theirs)


def simulate(comm):
    other = comm.size - 1 - comm.rank
    half = comm.Split(comm.rank % 2, -comm.rank)
    leaders = comm.group.Incl([0, comm.size - 1])
    held = Held(comm, other)
    comms = {
        "node": comm.Split_type(MPI.COMM_TYPE_SHARED, -comm.rank),
        "grid": comm.Create_cart([2, comm.size // 2], [False, True]),
        "leaders": comm.Create_group(leaders) if leaders.rank != MPI.UNDEFINED else MPI.COMM_NULL,
        "between": half.Create_intercomm(0, comm, comm.size - 1 - comm.rank % 2, 3),
        "pickled": pkl5.Intracomm(comm.Dup()),
        "own": [Own(comm.Dup())],
    }
    comms["line"] = comms["grid"].Sub([False, True])
    comms["own"][0].label = f"of rank {comm.rank}"
    comms["own"][0].Set_attr(KEYVAL, [])
    codes = []
    handler = MPI.Comm.Create_errhandler(lambda _, code: codes.append(code))
    half.Set_errhandler(handler)
    column = MPI.DOUBLE.Create_vector(3, 1, 4).Commit()
    column.Set_attr(OF_TYPES, "of the program")
    pair = MPI.Datatype.Create_struct([1, 1], [0, 96], [column, MPI.INT]).Commit()
    of_module["op"] = MPI.Op.Create(partial(largest, 1.0), commute=True)
    of_module["twice"] = MPI.Op.Create(lambda x, y, _: 2 * (x + y))
    of_module["info"] = MPI.Info.Create({"access_style": "random"})
    mine, theirs = np.zeros(3), np.zeros(3)
    requests = [held.ring.Recv_init(theirs), held.ring.Ssend_init([mine, MPI.DOUBLE], other, 6)]
    grid, found = np.arange(12.0), []
    for step in range(STEPS):
        mine[:] = 10.0 * comm.rank + step
        MPI.Prequest.Startall(requests)
        taken, most, status = np.zeros(3), np.zeros(1), MPI.Status()

        poll(step)

        index = MPI.Request.Waitany(requests[:1], status)
        MPI.Request.Waitall(requests)
        comm.Sendrecv([grid, 1, column], other, 1, [taken, MPI.DOUBLE], other, 1)
        comm.Allreduce(np.full(1, float(comm.rank + step)), most, of_module["op"])
        own = comms["own"][0]
        own.Get_attr(KEYVAL).append(step)
        half.Call_errhandler(MPI.ERR_TAG)
        found += [
            [index, status.source, status.tag, status.Get_count(MPI.DOUBLE), theirs.tolist()],
            [held.graph.neighbor_allgather(step), held.graph.Get_neighbors(comm.rank)],
            [held.ring.neighbor_allgather(comm.rank + step), held.ring.Get_dist_neighbors()],
            [comms["between"].allgather(comm.rank), half.allgather(comm.rank)],
            [comms["node"].rank, comms["pickled"].allgather(np.full(2, step)), own.label],
            [comms["leaders"].allgather(step) if comms["leaders"] else None, leaders.rank],
            [comms["line"].allgather(comm.rank), comms["grid"].Get_topo()],
            [taken.tolist(), pair.Get_extent(), column.Get_attr(OF_TYPES), float(most[0])],
            [own.Get_attr(KEYVAL), type(own).__name__, list(codes), len(held.every)],
            [of_module["twice"](step, 1), of_module["op"].Is_commutative()],
            dict(of_module["info"]),
        ]
        grid += 1.0
    return found


ckpt = skt.Checkpointer("ckpt", WORLD, interval=None, quiet=True)
sys.stdout.write(f"rank {WORLD.rank}: {ckpt.run(simulate, WORLD)}\n")
ckpt.close()
