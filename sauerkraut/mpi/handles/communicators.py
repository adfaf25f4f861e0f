"""Communicators: what they tell about themselves, and how they are made again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from sauerkraut.mpi import wire
from sauerkraut.mpi.handles import errhandlers
from sauerkraut.mpi.handles.attributes import (
    Keyval,
    attributes_by_keyval,
    info_of,
    set_attributes,
)
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.memory import another, attributes_of, empty
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Reduced, refuse

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table

_OUTSIDE = "it has members outside of the communicator given to the Checkpointer"
_STRANGERS = (
    f"{_OUTSIDE} (a spawned or connected job, a larger communicator): free it before the "
    "checkpoint, or give the Checkpointer all ranks"
)
_WORLD = (
    f"{_OUTSIDE}, and messages between them and others would be lost: give the Checkpointer all "
    "ranks; where none is in flight at checkpoints, take COMM_WORLD where it is used"
)


@dataclass(frozen=True)
class Description:
    """A communicator, as far as it can be made anew: plain values, and the user's attributes."""

    members: tuple[int, ...]
    """Ranks in the Checkpointer's communicator, in the order of this one."""
    remote: tuple[int, ...] = ()
    """Those of the other side of an intercommunicator."""
    topology: str = ""
    """``cart``, ``graph``, ``dist_graph``, or none."""
    layout: tuple[Any, ...] = ()
    """Arguments of the call that makes the topology."""
    name: str = ""
    hints: dict[str, str] = field(default_factory=dict)
    errhandler: errhandlers.Description = "ERRORS_RETURN"
    attributes: list[Keyval] = field(default_factory=list)

    @property
    def signature(self) -> tuple[Any, ...]:
        """What is equal on all members: sides in one order, topology."""
        return (*sorted((self.members, self.remote)), self.topology)


def describe(comm: MPI.Comm, members: Members) -> Description:
    """Ask a communicator what it is. Local.

    Raises:
        CaptureError: it has members that no restart could reach.
    """
    own = _members(comm, comm.Get_group(), members)
    remote: tuple[int, ...] = ()
    topology, layout = "", ()
    if comm.Is_inter():
        remote = _members(comm, MPI.Intercomm(comm).Get_remote_group(), members)
    else:
        topology, layout = _topology(comm)
    return Description(
        own,
        remote,
        topology,
        layout,
        comm.Get_name(),
        info_of(comm),
        errhandlers.description_of(comm),
        attributes_by_keyval("Comm", comm),
    )


def _members(comm: MPI.Comm, group: MPI.Group, members: Members) -> tuple[int, ...]:
    ranks = members.of(group)
    group.Free()
    if ranks is None:
        raise refuse(comm, _STRANGERS)
    return ranks


def _topology(comm: MPI.Comm) -> tuple[str, tuple[Any, ...]]:
    kind = comm.Get_topology()
    if kind == MPI.CART:
        dims, periods, _ = MPI.Cartcomm(comm).Get_topo()
        return "cart", (dims, periods, False)
    if kind == MPI.GRAPH:
        index, edges = MPI.Graphcomm(comm).Get_topo()
        return "graph", (index, edges, False)
    if kind == MPI.DIST_GRAPH:
        sources, destinations, weights = MPI.Distgraphcomm(comm).Get_dist_neighbors()
        of_sources, of_destinations = (None, None) if weights is None else weights
        return "dist_graph", (sources, destinations, of_sources, of_destinations)
    return "", ()


def build(this: Description, members: Members, place: int) -> MPI.Comm:
    """Make the communicator again; collective over its members.

    Args:
        this: What it was.
        members: Of the Checkpointer's communicator.
        place: In one order of all: tells it from others that are made at the same time.
    """
    group = members.group(this.members)
    flat = members.comm.Create_group(group, place)
    group.Free()
    made: MPI.Comm = flat
    if this.remote:
        tag = wire.FIRST_FREE + place
        made = flat.Create_intercomm(0, members.comm, this.remote[0], tag)
    elif this.topology == "cart":
        made = flat.Create_cart(*this.layout)
    elif this.topology == "graph":
        made = flat.Create_graph(*this.layout)
    elif this.topology == "dist_graph":
        made = flat.Create_dist_graph_adjacent(*this.layout)
    if made is not flat:
        flat.Free()
    return made


def dress(made: MPI.Comm, this: Description) -> None:
    """Give a communicator what was hung on it. Local."""
    errhandlers.set_on(made, this.errhandler)
    made.Set_name(this.name)
    set_attributes("Comm", made, this.attributes)


def reduce(comm: MPI.Comm, table: Table) -> Reduced:
    """What is written of a communicator: an empty one, then its number and what it is."""
    if comm == table.given:
        own = comm is table.given
        return (given, ()) if own else (same_as_given, (type(comm),))
    number = table.comms.number_of(comm)
    state = (number, table.comms.description_of(number), attributes_of(comm))
    return (empty, (type(comm),), state, None, None, keep)


def refuse_larger_world(handle: Any, members: Members) -> None:
    """Refuse ``COMM_WORLD`` where the Checkpointer has only a part of it.

    Raises:
        CaptureError: what its other ranks send would be in no epoch.
    """
    if isinstance(handle, MPI.Comm) and handle == MPI.COMM_WORLD and not members.hold_world:
        raise refuse(handle, _WORLD)


def given() -> Any:
    """The communicator that this start gave to its Checkpointer."""
    return thawing.current().anchors["comm"]


def same_as_given(cls: Any) -> Any:
    """Another object of that communicator."""
    return another(cls, given())


def keep(shell: MPI.Comm, state: tuple[int, Description, dict[str, Any] | None]) -> None:
    """Note a communicator that is to be made when all ranks are ready."""
    from sauerkraut.mpi.handles.shells import current

    number, description, attributes = state
    if attributes:
        shell.__dict__.update(attributes)
    shells = current()
    shells.take(shells.comms, number, description, shell)
