"""The communicator of all ranks, for programs that are started by `sauerkraut run`."""

from __future__ import annotations

from mpi4py import MPI

from sauerkraut.errors import RankError


def of(told: int | None) -> MPI.Intracomm:
    """``COMM_WORLD``.

    Args:
        told: How many ranks the launcher says that there are; None: it does not say.

    Raises:
        RankError: MPI sees fewer: each process would run the whole job by itself.
    """
    comm = MPI.COMM_WORLD
    if told is not None and comm.size != told:
        raise RankError(
            f"the launcher started {told} ranks, MPI sees {comm.size}: the launcher and the MPI "
            "library of mpi4py do not belong together"
        )
    return comm
