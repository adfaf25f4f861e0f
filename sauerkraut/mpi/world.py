"""The communicator of all ranks, for programs that are started by `sauerkraut run`."""

from __future__ import annotations

from mpi4py import MPI


def comm() -> MPI.Intracomm:
    """``COMM_WORLD``."""
    return MPI.COMM_WORLD
