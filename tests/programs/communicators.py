"""Works in communicators of every kind that nested frames hold; KILL_AT ends it midway."""

import os
import signal
import sys

import numpy as np
from mpi4py import MPI

import sauerkraut as skt

STEPS = 6
WORLD = MPI.COMM_WORLD
of_module = WORLD.Dup()
"""The run gives it another order of ranks, which a restart that makes it anew does not."""


class Grid:
    """A communicator in an attribute, another one in a container."""

    def __init__(self, comm):
        self.cart = comm.Create_cart([2, comm.size // 2], [True, False])
        self.lines = {"rows": self.cart.Sub([True, False]), "columns": self.cart.Sub([False, True])}
        self.cart.Set_name("grid")

    def sweep(self, step):
        left, right = self.cart.Shift(1, 1)
        mine = np.full(1, 100.0 * self.cart.rank + step)
        other = np.full(1, -1.0)
        self.cart.Sendrecv(mine, right, 1, other, left, 1)
        poll(step)
        sums = [line.allreduce(float(other[0])) for line in self.lines.values()]
        return [self.cart.Get_coords(self.cart.rank), sums, self.cart.Get_name()]


def poll(step):
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch) and os.environ.get("KILL_AT") == str(step):
        WORLD.barrier()
        os.kill(os.getpid(), signal.SIGKILL)


def simulate(comm):
    global of_module
    of_module.Free()
    of_module = comm.Split(0, -comm.rank)
    grid = Grid(comm)
    odd = comm.Split(comm.rank % 2, -comm.rank)
    twins = [odd.Dup(), odd.Dup()]
    same = twins[0]
    found = []
    for step in range(STEPS):
        if step == 3:
            grid.later = comm.Split(0 if comm.rank else MPI.UNDEFINED)
        found.append(grid.sweep(step))
        if odd.rank == 0:
            twins[1].send(f"second {step}", 1, tag=5)
            same.send(f"first {step}", 1, tag=5)
        elif odd.rank == 1:
            found.append([twins[0].recv(source=0, tag=5), twins[1].recv(source=0, tag=5)])
        if step > 3 and grid.later:
            found.append(grid.later.allgather(comm.rank))
        found.append(of_module.allgather(comm.rank + step))
    assert same is twins[0]
    assert twins[0] != twins[1]
    return [found, odd.rank, grid.later != MPI.COMM_NULL]


def main():
    ckpt = skt.Checkpointer("ckpt", WORLD, interval=None, quiet=True)
    value = ckpt.run(simulate, WORLD)
    sys.stdout.write(f"rank {WORLD.rank}: {value}\n")
    ckpt.close()


if __name__ == "__main__":
    main()
