"""What a restart makes again: empty objects that a graph gave, filled when all ranks are ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mpi4py import MPI

from sauerkraut.errors import ResumeError
from sauerkraut.mpi.handles import communicators
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.memory import give
from sauerkraut.objects import thawing


@dataclass
class Waiting:
    """A communicator that is to be made, and the objects that will have it."""

    description: communicators.Description
    shells: list[MPI.Comm] = field(default_factory=list)


class Shells:
    """The handles of one graph that was read.

    Args:
        members: Of the Checkpointer's communicator.
    """

    def __init__(self, members: Members) -> None:
        self.members = members
        self.comms: dict[int, MPI.Comm] = {}
        """Communicators by their number, once made."""
        self.windows: dict[int, tuple[MPI.Win, Any, Any]] = {}
        """Windows that are to be made by their number, what they are, and their memory."""
        self.requests: list[tuple[MPI.Request, Any]] = []
        """Requests that are to be complete, and what they tell."""
        self.afterwards: list[Callable[[], None]] = []
        """What needs the communicators to be there."""
        self._waiting: dict[int, Waiting] = {}

    def take(self, number: int, description: communicators.Description, shell: MPI.Comm) -> None:
        """Note an object that is to have communicator ``number``."""
        self._waiting.setdefault(number, Waiting(description)).shells.append(shell)

    def make(self, order: Mapping[int, int]) -> None:
        """Make all communicators; collective over the members of each.

        Args:
            order: Number -> its place in one order of all. All ranks make theirs in that order,
                so that no two wait for each other.

        Raises:
            ResumeError: graph and order do not belong together.
        """
        if order.keys() != self._waiting.keys():
            raise ResumeError("the epoch's communicators and their order do not belong together")
        for number in sorted(order, key=lambda each: order[each]):
            waiting = self._waiting[number]
            made = communicators.build(
                waiting.description, self.members.comm, self.members, order[number]
            )
            self.comms[number] = made
            for shell in waiting.shells:
                give(shell, made)
        self._waiting.clear()
        for each in self.afterwards:
            each()
        self.afterwards.clear()


def current() -> Shells:
    """Those of the graph that this thread is reading.

    Raises:
        ResumeError: nothing makes handles here.
    """
    handles: Any = thawing.current().handles
    if handles is None:
        raise ResumeError(
            "communicators, groups and other handles of MPI come back under a Checkpointer with "
            "the communicator they were captured under"
        )
    return cast("Shells", handles.shells)
