"""A plate cools down, its rows spread over the ranks; it comes out the same on any number of them.

    mpiexec -n 4 python examples/plate.py --dir ckpt-4

The same command restarts it, inside of `simulate`. Another number of ranks starts afresh, from the
plate that lies in those checkpoints:

    mpiexec -n 3 python examples/plate.py --dir ckpt-3 --start-from ckpt-4
"""

import argparse

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

comm = MPI.COMM_WORLD
above = comm.rank - 1 if comm.rank else MPI.PROC_NULL
below = comm.rank + 1 if comm.rank < comm.size - 1 else MPI.PROC_NULL


class Plate:
    """The rows of this rank, with a halo one cell wide, and the step they are at."""

    def __init__(self, rows, step):
        self.u = np.pad(rows, 1)
        self.step = step

    def save(self):
        """What each checkpoint stores of it, as a part of the whole plate."""
        return {"u": self.u[1:-1, 1:-1], "step": self.step}

    def exchange_halo(self):
        for edge, to, halo, origin in ((1, above, -1, below), (-2, below, 0, above)):
            received = self.u[halo].copy()
            comm.Sendrecv(self.u[edge].copy(), to, recvbuf=received, source=origin)
            self.u[halo] = received

    def cool(self):
        self.exchange_halo()
        u = self.u
        around = (u[:-2, 1:-1] + u[2:, 1:-1]) + (u[1:-1, :-2] + u[1:-1, 2:])
        u[1:-1, 1:-1] = u[1:-1, 1:-1] + 0.2 * (around - 4 * u[1:-1, 1:-1])
        self.step += 1


def first_plate(size):
    """Hot spots, the same on any number of ranks."""
    hot = np.random.default_rng(1).random((size, size))
    return Plate(np.array_split(hot, comm.size)[comm.rank], step=0)


def stored_plate(directory):
    """The newest plate in the checkpoints of another job, of however many ranks."""
    data = comm.bcast(skt.storage.open(directory) if comm.rank == 0 else None)
    if comm.rank == 0:
        print(data, flush=True)
    u = data["plate/u"]
    return Plate(u[u.part(comm.rank, comm.size)], data.numbers["plate/step"])


def simulate(plate, steps):
    """The whole plate after `steps` steps, on rank 0; None on the others."""
    while plate.step < steps:
        plate.cool()
        ckpt.poll(plate.step, steps)
    parts = comm.gather(plate.u[1:-1, 1:-1].copy())
    return None if parts is None else np.concatenate(parts)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--size", type=int, default=256, help="cells along one side (256)")
parser.add_argument("--steps", type=int, default=4000, help="time steps (4000)")
parser.add_argument("--dir", default="ckpt-plate", help="checkpoint directory")
parser.add_argument("--interval", default="10min", help="time between checkpoints (10min)")
parser.add_argument("--start-from", help="checkpoint directory of another job")
parser.add_argument("--out", default="plate.npy", help="where the plate goes in the end")
args = parser.parse_args()

plate = stored_plate(args.start_from) if args.start_from else first_plate(args.size)
ckpt = skt.Checkpointer(args.dir, comm, interval=args.interval)
ckpt.provide("plate", plate.save, layout=skt.Block(axis=0))
whole = ckpt.run(simulate, plate, args.steps)
if comm.rank == 0:
    np.save(args.out, whole)
