"""What a restart makes again: empty objects that a graph gave, filled when all ranks are ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from mpi4py import MPI

from sauerkraut.errors import ResumeError
from sauerkraut.mpi.handles.attributes import missing_hints, set_hints
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.memory import give
from sauerkraut.objects import thawing


@dataclass
class Waiting:
    """A handle that is to be made, and the objects that will have it."""

    description: Any
    memory: Any = None
    """Of a window."""
    shells: list[Any] = field(default_factory=list)
    made: Any = None


class Shells:
    """The handles of one graph that was read.

    Args:
        members: Of the Checkpointer's communicator.
    """

    def __init__(self, members: Members) -> None:
        self.members = members
        self.comms: dict[int, Waiting] = {}
        """Communicators that are to be made, by their number."""
        self.windows: dict[int, Waiting] = {}
        """Windows that are to be made, by their number."""
        self.requests: list[tuple[MPI.Request, Any]] = []
        """Requests that are to be complete, and what they tell."""
        self.afterwards: list[Callable[[], None]] = []
        """What needs the communicators to be there. Local."""

    def take(
        self,
        family: dict[int, Waiting],
        number: int,
        description: Any,
        shell: Any,
        memory: Any = None,
    ) -> None:
        """Note an object that is to have handle ``number`` of `comms` or `windows`."""
        family.setdefault(number, Waiting(description, memory)).shells.append(shell)

    def make(
        self,
        family: Mapping[int, Waiting],
        places: Mapping[int, int],
        build: Callable[[Waiting, int], Any],
    ) -> None:
        """Make all handles of a family; collective over the members of each.

        Args:
            family: `comms` or `windows`.
            places: Number -> place in one order of all. All ranks make theirs in that order, so
                that no two wait for each other.
            build: Makes one, of this place.
        """
        for number in sorted(places, key=lambda each: places[each]):
            waiting = family[number]
            waiting.made = build(waiting, places[number])
            for shell in waiting.shells:
                give(shell, waiting.made)

    def set_hints(self, family: Mapping[int, Waiting], places: Mapping[int, int]) -> None:
        """Give the handles of a family their hints. Collective over all ranks.

        To set hints is collective over the members of a handle, who need not miss the same ones.
        """
        numbers = sorted(places, key=lambda each: places[each])
        missing = {
            each: missing_hints(family[each].made, family[each].description.hints)
            for each in numbers
        }
        told = self.members.comm.allgather([places[each] for each in numbers if missing[each]])
        wanted = {place for those in told for place in those}
        for number in numbers:
            if places[number] in wanted:
                set_hints(family[number].made, missing[number])


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
