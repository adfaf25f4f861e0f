"""Messages from task to task: they find their task wherever it is."""

from __future__ import annotations

import operator
import pickle
import sys
from typing import Any

from sauerkraut.errors import MigrationError
from sauerkraut.mpi.tasks import running
from sauerkraut.mpi.tasks.switching import Waits, switch
from sauerkraut.mpi.tasks.task import Letter, Receive, Task

To = Task | int
LARGEST = 2**63 - 1
"""Of ids and tags."""


def send(value: object, dest: To, tag: int = 0) -> None:
    """Send a copy of ``value`` to a task. Messages to one task come in the order they were sent.

    Waits while too much is unread there, see `TaskPool`.

    Args:
        value: Anything that pickle takes.
        dest: The task, or its id.
        tag: For `recv`; an integer of 64 bits.

    Raises:
        MigrationError: this is no task, or there can be no such task or tag.
    """
    data = pickle.dumps(value, 5)
    resident, room = send_bytes(data, _id("dest", dest), _tag(tag), "send()")
    if room is not None:
        switch(resident, Waits(room), sys._getframe(1))


def recv(source: To | None = None, tag: int | None = None) -> Any:
    """Return the next message to this task; waits for it.

    Args:
        source: Of this task, or its id; None: of any.
        tag: With this tag; None: any.

    Raises:
        MigrationError: this is no task, or there can be no such task or tag.
        Deadlock: it can never come, as all tasks wait; raised by `TaskPool.run`.
    """
    source = None if source is None else _id("source", source)
    wanted = Receive(source, None if tag is None else _tag(tag))
    resident = running.resident("recv()")
    found = running.pool().delivery.take(resident, wanted)
    if found is not None:
        return found[0]
    return switch(resident, Waits(wanted), sys._getframe(1))


def send_bytes(data: bytes, dest: int, tag: int, what: str, context: int = 0) -> Any:
    """Send; returns the task that runs, and what it must wait for now, if anything."""
    resident = running.resident(what)
    return resident, running.pool().delivery.send(resident, dest, tag, data, context)


def receive(wanted: Receive, innermost: Any) -> Letter:
    """Wait for a message as it is, for the function whose frame is ``innermost``."""
    resident = running.resident("receiving")
    found = running.pool().delivery.take(resident, wanted)
    letter: Letter = switch(resident, Waits(wanted), innermost) if found is None else found[0]
    return letter


def _id(what: str, task: To) -> int:
    number = task.id if isinstance(task, Task) else operator.index(task)
    if not 0 <= number <= LARGEST:
        raise MigrationError(f"{what}={number}: ids of tasks are 0 to 2**63 - 1")
    return number


def _tag(tag: int) -> int:
    tag = operator.index(tag)
    if not -LARGEST <= tag <= LARGEST:
        raise MigrationError(f"tag={tag}: tags are -2**63 + 1 to 2**63 - 1")
    return tag
