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
    types: list[MPI.Datatype] = field(default_factory=list)
    """Of the view of a file: the elementary one, and that of the file."""
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
        self.files: dict[int, Waiting] = {}
        """Files that are to be opened, by their number."""
        self.requests: list[tuple[MPI.Request, Any]] = []
        """Requests that are to be complete, and what they tell."""
        self.persistent: list[tuple[MPI.Prequest, Any, Any]] = []
        """Persistent requests, how they are made, and what those tell that were complete."""
        self._comms_by_members: dict[tuple[int, ...], MPI.Intracomm] = {}

    def take(
        self,
        family: dict[int, Waiting],
        number: int,
        description: Any,
        shell: Any,
        memory: Any = None,
    ) -> None:
        """Note an object that is to have handle ``number`` of a family."""
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
        self.fill(family)

    def fill(self, family: Mapping[int, Waiting]) -> None:
        """Give the objects of a family the handles that were made."""
        for waiting in family.values():
            for shell in waiting.shells:
                give(shell, waiting.made)

    def comm_of(self, ranks: tuple[int, ...], place: int) -> MPI.Intracomm:
        """A communicator of these members; collective over them.

        Never freed: MPICH gives the windows of a later communicator the same number then, and what
        is put into the one arrives in the other.

        Args:
            ranks: In the Checkpointer's communicator.
            place: In one order of all, of what is to be made with it.
        """
        if ranks not in self._comms_by_members:
            self._comms_by_members[ranks] = self.make_comm(ranks, place)
        return self._comms_by_members[ranks]

    def make_comm(self, ranks: tuple[int, ...], place: int) -> MPI.Intracomm:
        """A communicator of these members, as `comm_of`, that nothing else has."""
        group = self.members.group(ranks)
        made = self.members.comm.Create_group(group, place)
        group.Free()
        return made

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
