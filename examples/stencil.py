"""A hot spot wanders over a plate; virtual ranks refine the part of it where they are.

    mpiexec -n 2 python examples/stencil.py

Each process runs several virtual ranks, each with a strip of the plate. `simulate` is written for a
communicator of MPI and does not know that its own is made of tasks: with `--mpi` it runs over
`MPI.COMM_WORLD`, one rank per process. Where the spot is a strip makes four small steps instead of
one, so work is uneven; such a strip says so and goes to the next process. The result is checked
against one rank that does it all: the same bits.
"""

import argparse

import numpy as np
from mpi4py import MPI

from sauerkraut import mpi

WORLD = MPI.COMM_WORLD


def exchange(comm, u):
    """Copy the outermost rows of a strip into the halos of its neighbours."""
    above = comm.rank - 1 if comm.rank > 0 else MPI.PROC_NULL
    below = comm.rank + 1 if comm.rank < comm.size - 1 else MPI.PROC_NULL
    comm.Sendrecv(u[1], above, recvbuf=u[-1], source=below)
    comm.Sendrecv(u[-2], below, recvbuf=u[0], source=above)


def spot(rows, columns, n, time):
    """What the spot adds at `time` in 0..1, on its way from the top of the plate to the bottom."""
    return np.exp(-(((rows[:, None] / n - time) ** 2 + (columns / n - 0.5) ** 2) * 200))


def simulate(comm, n, steps, blocks, move=None):
    """The n x n plate after `steps` steps, on rank 0, and how many small steps were made in all.

    The plate is made of `blocks` blocks of rows, and each rank has some of them: what is refined
    is a block, so that the result does not depend on the number of ranks.
    """
    mine = range(blocks * comm.rank // comm.size, blocks * (comm.rank + 1) // comm.size)
    first, end = n * mine.start // blocks, n * mine.stop // blocks
    rows, columns = np.arange(first, end), np.arange(n)
    u, made = np.zeros((end - first + 2, n)), 0
    for step in range(steps):
        u[1:-1] += 0.3 * spot(rows, columns, n, step / steps)
        exchange(comm, u)
        old = u.copy()
        for block in mine:
            begin, stop = (n * each // blocks - first for each in (block, block + 1))
            part = old[begin : stop + 2].copy()  # with its halo, which stays as it is meanwhile
            small = 4 if part.max() > 0.5 else 1
            for _ in range(small):
                inside = part[1:-1, 1:-1]
                around = part[:-2, 1:-1] + part[2:, 1:-1] + part[1:-1, :-2] + part[1:-1, 2:]
                part[1:-1, 1:-1] = inside + 0.2 / small * (around - 4 * inside)
            u[begin + 1 : stop + 1] = part[1:-1]
            made += small
            if move is not None and small > 1 and step % 10 == 0:
                move()
    strips = comm.gather(u[1:-1])
    total = comm.allreduce(made)
    return (None if strips is None else np.concatenate(strips)), total


def to_the_next_process():
    """Go on there, with the strip."""
    mpi.migrate((WORLD.rank + 1) % WORLD.size)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=96, help="cells along one side (96)")
    parser.add_argument("--steps", type=int, default=40, help="time steps (40)")
    parser.add_argument("--per-process", type=int, default=3, help="virtual ranks of each (3)")
    parser.add_argument("--mpi", action="store_true", help="over MPI.COMM_WORLD, without tasks")
    args = parser.parse_args()
    blocks = 4 * WORLD.size * args.per_process
    told = args.size, args.steps, blocks
    if args.mpi:
        ranks, (plate, made) = WORLD.size, simulate(WORLD, *told)
    else:
        ranks = WORLD.size * args.per_process
        with mpi.TaskPool() as pool:
            pool.spawn_ranks(simulate, ranks, *told, to_the_next_process)
            plate, made = pool.run()[f"rank {WORLD.rank}"]  # rank 0 has it all
    if WORLD.rank == 0:
        expected, alone = simulate(MPI.COMM_SELF, *told)
        if made != alone or not (plate == expected).all():
            raise SystemExit("the plate is not what one rank makes of it")
        print(f"{ranks} ranks in {WORLD.size} processes: {made} small steps, the same bits as one")


main()
