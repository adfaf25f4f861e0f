"""The pool of this process, and the task that runs."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from sauerkraut.errors import MigrationError

if TYPE_CHECKING:
    from sauerkraut.mpi.tasks.pool import TaskPool
    from sauerkraut.mpi.tasks.task import Resident

_pools: list[TaskPool] = []


class _Running(threading.local):
    """Of one thread: another one that a task has started is no task."""

    def __init__(self) -> None:
        self.tasks: list[Resident] = []


_here = _Running()


def pool() -> TaskPool:
    """The pool of this process. Raises MigrationError where there is none."""
    if not _pools:
        raise MigrationError("there is no TaskPool here: make one, and spawn tasks with it")
    return _pools[-1]


def refuse_second() -> None:
    """Raise MigrationError where there is a pool."""
    if _pools:
        raise MigrationError("this process has a TaskPool already: close it first")


def enter(made: TaskPool) -> None:
    """Let tasks and messages find this pool."""
    _pools.append(made)


def leave() -> None:
    """There is no pool any more."""
    _pools.clear()


def begin(resident: Resident) -> None:
    """This task runs from now on."""
    _here.tasks.append(resident)


def end() -> None:
    """No task runs."""
    _here.tasks.clear()


def is_inside() -> bool:
    """Whether a task runs here."""
    return bool(_here.tasks)


def resident(what: str) -> Any:
    """The task that runs. Raises MigrationError: ``what`` is only for tasks."""
    if not _here.tasks:
        raise MigrationError(f"{what} is for tasks: call it in a function that TaskPool.spawn runs")
    return _here.tasks[-1]
