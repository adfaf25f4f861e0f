"""Virtual ranks: tasks with numbers that all ranks agree on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sauerkraut.errors import MigrationError
from sauerkraut.group import Group
from sauerkraut.mpi.tasks import running
from sauerkraut.wording import counted


def agree(group: Group, function: Callable[..., Any], size: int, spawned: int) -> int:
    """The id of the first of ``size`` tasks, a multiple of the number of ranks. Collective.

    Args:
        group: The ranks.
        function: What they call.
        size: How many.
        spawned: How many ids of its own each rank has used.

    Raises:
        MigrationError: on every rank: it cannot be done, and why.
    """
    if running.is_inside():
        raise MigrationError("spawn_ranks() is not for tasks: call it outside of them")
    told = group.allgather((size, callable(function), spawned))
    for rank, (other, can_be_called, _) in enumerate(told):
        if not can_be_called:
            raise MigrationError(f"spawn_ranks() on rank {rank}: a task calls a function")
        if other < 1 or other != told[0][0]:
            raise MigrationError(
                f"spawn_ranks() of {counted(other, 'task')} on rank {rank}, "
                f"of {told[0][0]} on rank 0: "
                "it takes one number for all, 1 or more"
            )
    return max(used for _, _, used in told) * group.size
