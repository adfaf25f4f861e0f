"""What launchers say of the ranks that they start, and whether MPI knows of it."""

from __future__ import annotations

import os

from sauerkraut.errors import WorldSizeMismatch

RANKS = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE")
"""Where launchers tell how many ranks there are."""
LAUNCHED = (*RANKS, "PMIX_RANK", "PMI_RANK")
"""What a rank finds that was started by a launcher for MPI."""
STEP = "SLURM_STEP_NUM_TASKS"
"""How many tasks srun has started; daemons of mpirun may be among them, and their ranks see it."""


def is_launched() -> bool:
    """Whether a launcher for MPI started this process."""
    return any(name in os.environ for name in LAUNCHED)


def refuse_strays(size: int) -> None:
    """Refuse a process that was started as one of many, and is a job of its own to MPI.

    Each of them would run the whole job, or return what another has recorded, with status 0.

    Args:
        size: Of ``COMM_WORLD``; 1 where the program uses no MPI.

    Raises:
        WorldSizeMismatch: says what to do.
    """
    if size > 1:
        return
    told = next((_number(name) for name in RANKS if name in os.environ), 1)
    if told > 1:
        raise WorldSizeMismatch(
            f"the launcher started {told} ranks, and MPI sees 1: the launcher and the MPI library "
            "of mpi4py do not belong together"
        )
    if not is_launched() and (tasks := _number(STEP)) > 1:
        raise WorldSizeMismatch(
            f"srun started {tasks} processes, and each is a job of its own: say "
            "`srun --mpi=pmix`, or another of `srun --mpi=list` that the MPI library of mpi4py "
            f"knows; if they are to be independent, unset {STEP}"
        )


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    return int(text) if text.isdecimal() else 1
