"""What a task does to stop for a while: it hands control, and on demand its stack, to its rank.

The frames of these functions are never captured: to a task, each of them is a call that returns
once it goes on, on whatever rank.
"""

from __future__ import annotations

import contextvars
import operator
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

from sauerkraut.errors import MigrationError
from sauerkraut.frames.capture import capture_stack, freeze_stack
from sauerkraut.frames.original import Original
from sauerkraut.frames.snapshot import Snapshot, Thawed
from sauerkraut.mpi.tasks import contexts, running
from sauerkraut.mpi.tasks.record import BESIDE, beside
from sauerkraut.mpi.tasks.task import Luggage, Resident, Task, Wait


@dataclass(frozen=True, slots=True)
class Yields:
    """It lets the others run."""


YIELDS = Yields()


@dataclass(frozen=True, slots=True)
class Moves:
    """It wants to go on at another rank."""

    dest: int


@dataclass(slots=True)  # as those of `task` that are made for each message
class Waits:
    """It waits."""

    wait: Wait


@dataclass(frozen=True, slots=True)
class Ended:
    """Its function has returned, or raised."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """Its stack, as it was asked for."""

    snapshot: Snapshot | None
    original: Original
    error: BaseException | None = None


Request = Yields | Moves | Waits | Ended | Captured


class Capture:
    """Asks a task for its stack; it goes on waiting after that."""


CAPTURE = Capture()


def migrate(dest: int) -> None:
    """Go on at rank ``dest``: the next line runs there, with all that the task's frames hold.

    What the task shares with other tasks, or with globals, it takes a copy of. Its original is
    ended once the rank has accepted it, and none of its ``finally`` and ``with`` blocks runs here.

    Raises:
        TypeError: ``dest`` is no integer.
        MigrationError: it stays here: there is no such rank, something cannot be captured (names
            the variable), or the rank refused it, and why; or this is no task.
    """
    resident = running.resident("migrate()")
    size, dest = running.pool().size, operator.index(dest)
    if not 0 <= dest < size:
        raise MigrationError(f"migrate({dest!r}): ranks are 0 to {size - 1}")
    if dest != running.pool().rank:
        switch(resident, Moves(dest), sys._getframe(1))


def yield_() -> None:
    """Let the other tasks of this rank run. Raises MigrationError outside of a task."""
    switch(running.resident("yield_()"), YIELDS, sys._getframe(1))


def current() -> Task:
    """The task that calls this. Raises MigrationError outside of a task."""
    luggage: Luggage = running.resident("current()").luggage
    return Task(luggage.id, luggage.name)


def switch(resident: Resident, request: Request, innermost: FrameType) -> Any:
    """Hand control to the rank; returns what it says when the task goes on here.

    Args:
        resident: The task that runs.
        request: Why.
        innermost: The frame whose pending call returns then, wherever that is.
    """
    if resident.greenlet.getcurrent() is not resident.greenlet:
        raise MigrationError("a greenlet of a task's own cannot wait or move: let the task do it")
    hub = resident.greenlet.parent
    answer = hub.switch(request)
    while answer is CAPTURE:
        answer = hub.switch(_captured(resident, innermost))
    if resident.error is not None:
        error, resident.error = resident.error, None
        raise error
    return answer


def _captured(resident: Resident, innermost: FrameType) -> Captured:
    original = Original()
    try:
        snapshot = capture_stack(
            innermost,
            values=beside(resident, contexts.changed(resident.greenlet.parent.gr_context)),
            names=BESIDE.__getitem__,
            arrays="borrow",
            original=original,
        )
    except Exception as error:  # noqa: BLE001 - whoever asked tells it
        original.forget()
        return Captured(None, original, error)
    return Captured(snapshot, original)


def captured_arrived(resident: Resident, arrived: Thawed) -> Captured:
    """The stack of a task that has come from elsewhere and has not run here."""
    program = contextvars.copy_context()

    def freeze() -> Snapshot:
        values = beside(resident, contexts.changed(program))
        return freeze_stack(arrived.stack, values=values, names=BESIDE.__getitem__, arrays="borrow")

    assert resident.context is not None, "it came back in one"
    try:
        snapshot = resident.context.run(freeze)
    except Exception as error:  # noqa: BLE001 - whoever asked tells it
        return Captured(None, Original(), error)
    return Captured(snapshot, Original())
