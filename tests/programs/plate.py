"""A plate that cools down, its rows spread over any number of ranks: it comes out the same.

    plate.py DIR STEPS [FROM]

With FROM, a directory of another such job, starts afresh from the plate stored there.
"""

import sys

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

comm = MPI.COMM_WORLD
SHAPE = 61, 40


class Plate:
    """The rows of this rank, with a halo."""

    def __init__(self, inner, step):
        self.u = np.pad(inner, 1)
        self.step = step

    def save(self):
        return {"u": self.u[1:-1, 1:-1]}

    def exchange(self):
        above = comm.rank - 1 if comm.rank else MPI.PROC_NULL
        below = comm.rank + 1 if comm.rank < comm.size - 1 else MPI.PROC_NULL
        for edge, to, halo, origin in ((1, above, -1, below), (-2, below, 0, above)):
            received = self.u[halo].copy()
            comm.Sendrecv(self.u[edge].copy(), to, recvbuf=received, source=origin)
            self.u[halo] = received

    def cool(self):
        self.exchange()
        u = self.u
        around = (u[:-2, 1:-1] + u[2:, 1:-1]) + (u[1:-1, :-2] + u[1:-1, 2:])
        u[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.2 * (around - 4 * u[1:-1, 1:-1])


def first(origin):
    """The plate to begin with, and the step after which it is so."""
    if origin is not None:
        data = comm.bcast(skt.storage.open(origin) if comm.rank == 0 else None)
        if comm.rank == 0:
            print(data, flush=True)
        u = data["plate/u"]
        return u[u.part(comm.rank, comm.size)], int(data.step)
    hot = np.random.default_rng(1).random(SHAPE)
    return np.array_split(hot, comm.size)[comm.rank], 0


def simulate(plate, steps):
    """Cool it down; returns the whole plate on rank 0."""
    while plate.step < steps:
        plate.cool()
        plate.step += 1
        ckpt.poll(plate.step, steps)
    parts = comm.gather(plate.u[1:-1, 1:-1].copy())
    return None if parts is None else np.concatenate(parts)


directory, steps, origin = sys.argv[1], int(sys.argv[2]), (sys.argv[3:] or [None])[0]
ckpt = skt.Checkpointer(directory, comm, interval=0.05)
plate = Plate(*first(origin))
ckpt.provide("plate", plate.save, layout=skt.Block(axis=0))
whole = ckpt.run(simulate, plate, steps)
if comm.rank == 0:
    np.save(f"{directory}.npy", whole)
