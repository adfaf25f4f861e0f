"""What benchmarks/mpi.py asks of every rank about `poll`: seconds beside those of other loops.

polled.py CALLS ROUNDS; rank 0 prints one line per round: nanoseconds of an empty method, of `poll`
with nothing due, and of an `Allreduce` of one number.
"""

import sys
import time
from array import array

from mpi4py import MPI

import sauerkraut as skt

comm = MPI.COMM_WORLD


class Empty:
    """What a program would call instead."""

    def poll(self, step=None, of=None, **metrics):
        """Do nothing."""


def nanoseconds(poll, calls):
    """Of one call, the loop included; the ranks begin together."""
    comm.Barrier()
    began = time.perf_counter_ns()
    for step in range(calls):
        poll(step, calls)
    return (time.perf_counter_ns() - began) / calls


def compare(calls, rounds):
    """In turns, so that all meet the same machine; each once before it counts."""
    mine, sums = array("d", [1.0]), array("d", [0.0])

    def allreduce(*_):
        comm.Allreduce(mine, sums)

    loops = ((Empty().poll, calls), (skt.current().poll, calls), (allreduce, calls // 20))
    for turn in range(rounds + 1):
        took = [nanoseconds(*loop) for loop in loops]
        if turn and not comm.rank:
            print(*took)


def main():
    ckpt = skt.Checkpointer("ckpt", comm, interval="10h", rehearse=False, quiet=True)
    ckpt.run(compare, *map(int, sys.argv[1:]))


if __name__ == "__main__":
    main()
