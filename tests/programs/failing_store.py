"""Runs whose store fails with EIO at one call on one rank, each followed by a start that goes on.

``failing_store.py STRIDE`` takes every so many calls of each rank, in ./run-<rank>-<ordinal>, and
prints on every rank how many errors all ranks were told, in the same words.
"""

import errno
import logging
import os
import shutil
import sys
from pathlib import Path

import numpy as np
from mpi4py import MPI

import sauerkraut as skt
from sauerkraut.storage import owner
from sauerkraut.testing import faults


def work(field):
    """Checkpoint three times; returns what each came to, and a number."""
    told = []
    for _ in range(3):
        field += field[0] + 1
        try:
            skt.current().checkpoint()
        except skt.RankError as error:
            told.append((isinstance(error, skt.StorageError), str(error)))
    return told, float(field.sum())


def run(directory, hook):
    """Errors told on this rank and, where the run came to its end, the number."""
    field = np.full(1000, 1.0 + MPI.COMM_WORLD.rank)
    with faults.injected(hook):
        try:
            with skt.Checkpointer(
                directory, MPI.COMM_WORLD, interval=None, quiet=True, signals=False, globals="none"
            ) as ckpt:
                return ckpt.run(work, field)
        except skt.RankError as error:
            return [(isinstance(error, skt.StorageError), str(error))], None


def take_over(directory):
    """Say who may be taken over: what failed right after it wrote OWNER is still this process."""
    theirs = None
    if MPI.COMM_WORLD.rank == 0 and directory.exists():
        theirs = owner.read(directory)
    theirs = MPI.COMM_WORLD.bcast(theirs)
    os.environ["SAUERKRAUT_TAKE_OVER"] = "" if theirs is None else theirs.incarnation.id


def main(stride):
    comm = MPI.COMM_WORLD
    logging.disable(logging.CRITICAL)
    recording = faults.Recording()
    (_, value) = run(Path("counted"), recording)
    errors = 0
    for rank, count in enumerate(comm.allgather(len(recording.calls))):
        for ordinal in range(1, count + 1, stride):
            here = Path(f"run-{rank}-{ordinal}")
            hook = faults.Failing(ordinal if rank == comm.rank else 0, errno.EIO)
            told, came_to = run(here, hook)
            assert came_to in (None, value), (rank, ordinal, came_to)
            assert comm.bcast(told) == told, (rank, ordinal, told)
            assert all(of_store and "\n" not in text for of_store, text in told), told
            errors += len(told)
            take_over(here)
            assert run(here, faults.Recording())[1] == value, (rank, ordinal, told)
            comm.barrier()
            if comm.rank == 0:
                shutil.rmtree(here)
    print(f"rank {comm.rank}: {errors}")


if __name__ == "__main__":
    main(int(sys.argv[1]))
