"""In how many ways can n queens stand on a board? A farm of uneven tasks that evens itself out.

    mpiexec -n 2 python examples/farm.py --dir farm-ckpt

Each task tries one place of the first two queens, and calls itself for those that follow. All begin
on the first process. Others take them over, in the middle of their calls, as they run out of work.
Kill it, and type the same command again, also with another number of processes: it goes on. The
sum is checked against the one that is known.
"""

import argparse

from mpi4py import MPI

from sauerkraut import mpi

WORLD = MPI.COMM_WORLD
WAYS = [1, 1, 0, 0, 2, 10, 4, 40, 92, 352, 724, 2680, 14200, 73712]  # oeis.org/A000170
ROWS = 5  # rows below that no other task has its turn


def count(n, columns=0, left=0, right=0):
    """The ways to place the queens that are missing, where those placed leave free columns."""
    if columns == (1 << n) - 1:
        return 1
    if n - columns.bit_count() > ROWS:
        mpi.yield_()  # the next line may run on another process
    found, free = 0, ~(columns | left | right) & (1 << n) - 1
    while free:
        queen = free & -free
        free ^= queen
        found += count(n, columns | queen, (left | queen) << 1, (right | queen) >> 1)
    return found


def sow(pool, n):
    """A task for each place of the first two queens."""
    for first in range(n):
        for second in range(n):
            if abs(first - second) > 1:
                a, b = 1 << first, 1 << second
                queens = a | b, (a << 1 | b) << 1, (a >> 1 | b) >> 1
                pool.spawn(count, n, *queens, name=f"queens {first} {second}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--queens", type=int, default=11, help="4 to 13 of them (11)")
    parser.add_argument("--dir", help="where checkpoints are kept (there are none)")
    parser.add_argument("--every", default="2s", help="from one checkpoint to the next (2s)")
    args = parser.parse_args()
    with mpi.TaskPool(WORLD, args.dir, interval=args.every, balance="greedy") as pool:
        if WORLD.rank == 0 and not pool.restarted:
            sow(pool, args.queens)
        found = WORLD.allreduce(sum(pool.run().values()))
        moved = sum(each.moves for each in pool.rounds)
    if WORLD.rank == 0:
        if found != WAYS[args.queens]:
            raise SystemExit(f"{found} ways are wrong: there are {WAYS[args.queens]}")
        print(f"{args.queens} queens: {found} ways, as is known; {moved} tasks moved")


main()
