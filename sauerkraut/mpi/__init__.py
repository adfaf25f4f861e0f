"""The MPI layer: the only package that imports mpi4py.

Snapshots from rank to rank: `send_snapshot`, `recv_snapshot`, `isend_snapshot`, `irecv_snapshot`,
`Channel`. Tasks that move between ranks: `TaskPool`, `Task`, `migrate`, `yield_`, `current`,
`send`, `recv`; `Load` and `Round` of load balancing; as virtual ranks: `TaskComm`, `TaskRequest`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sauerkraut.mpi.tasks.balance import Load
    from sauerkraut.mpi.tasks.comm import TaskComm
    from sauerkraut.mpi.tasks.messages import recv, send
    from sauerkraut.mpi.tasks.pool import TaskPool
    from sauerkraut.mpi.tasks.requests import TaskRequest
    from sauerkraut.mpi.tasks.rounds import Round
    from sauerkraut.mpi.tasks.switching import current, migrate, yield_
    from sauerkraut.mpi.tasks.task import Task
    from sauerkraut.mpi.transfer import (
        Channel,
        irecv_snapshot,
        isend_snapshot,
        recv_snapshot,
        send_snapshot,
    )

__all__ = [
    "Channel",
    "Load",
    "Round",
    "Task",
    "TaskComm",
    "TaskPool",
    "TaskRequest",
    "current",
    "irecv_snapshot",
    "isend_snapshot",
    "migrate",
    "recv",
    "recv_snapshot",
    "send",
    "send_snapshot",
    "yield_",
]

_PLACES = {
    "Load": "tasks.balance",
    "Round": "tasks.rounds",
    "Task": "tasks.task",
    "TaskComm": "tasks.comm",
    "TaskPool": "tasks.pool",
    "TaskRequest": "tasks.requests",
    "current": "tasks.switching",
    "migrate": "tasks.switching",
    "recv": "tasks.messages",
    "send": "tasks.messages",
    "yield_": "tasks.switching",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for: a checkpoint needs none of it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(importlib.import_module(f"{__name__}.{_PLACES.get(name, 'transfer')}"), name)
    globals()[name] = found  # tasks ask again and again
    return found
