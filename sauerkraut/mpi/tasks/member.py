"""What makes a task a virtual rank; see `comm`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sauerkraut.mpi.tasks.task import Letter, Receive

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sauerkraut.mpi.tasks.requests import TaskRequest

_CONTEXTS = 24  # bits: communicators that one task can be the first rank of, twice


@dataclass(slots=True)
class Member:
    """Travels with the task."""

    context: int
    """Of the communicator of all that were spawned with it."""
    members: Sequence[int]
    """Their ids by rank."""
    posted: list[TaskRequest] = field(default_factory=list)
    """Receives for which no message has come, in the order they were posted."""
    led: int = 0
    """Further communicators in which it was the first rank."""


@dataclass(slots=True)
class ReceivePosted(Receive):
    """What a task waits for: a message that one of its posted receives takes."""

    posted: Sequence[TaskRequest] = ()
    what: str = ""
    """Of those, the one that it needs to go on."""

    def takes(self, letter: Letter) -> bool:
        """Whether it is that."""
        return any(each.takes(letter) for each in self.posted)

    def __str__(self) -> str:
        return self.what


def context_of(leader: int, number: int) -> int:
    """A number that no other communicator has; the next one is that of its collectives.

    Args:
        leader: Id of the task that is its first rank.
        number: 0 for the communicator it was spawned with, then `Member.led`.
    """
    return (leader + 1) << _CONTEXTS | number << 1
