"""What benchmarks/mpi.py counts, on every rank: each part begins and ends with a mark.

counted.py POLLS, with mpi_calls.c preloaded. A restart is one in the same processes: it makes the
calls that it makes in new ones.
"""

import ctypes
import sys

from mpi4py import MPI

import sauerkraut as skt


class LostError(Exception):
    """What ends a run on all ranks."""


def mark(what=None):
    """Book the calls since the mark before under a name, or nowhere."""
    ctypes.CDLL(None).mpi_calls_mark(what and what.encode())


def simulate(polls):
    mark("start")
    for step in range(polls):
        skt.current().poll(step)
        mark("poll")
    interrupted("checkpoint")
    mark("restart")
    held = MPI.COMM_WORLD.Dup()
    interrupted("checkpoint, a communicator held")
    mark("restart, a communicator held")
    return held.Get_size()


def interrupted(what):
    """Checkpoint, and end; or come back."""
    mark()
    done = skt.current().checkpoint()
    if isinstance(done, skt.Epoch):
        mark(what)
        raise LostError


def main():
    (polls,) = map(int, sys.argv[1:])
    for _ in range(3):
        mark()
        ckpt = skt.Checkpointer("ckpt", MPI.COMM_WORLD, interval=None, quiet=True)
        try:
            ckpt.run(simulate, polls)
            mark("end of run")
        except LostError:
            mark()
        ckpt.close()
        mark("close")


if __name__ == "__main__":
    main()
