"""Windows over memory of one rank: made again over the memory that came back.

Two windows of the same members are told apart by their names (``Set_name``), since nothing can be
sent through one before it is known.
"""

from __future__ import annotations

import functools
import gc
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from sauerkraut.mpi.handles.attributes import (
    Keyval,
    attributes_by_keyval,
    info_of,
    set_attributes,
)
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.memory import attributes_of, empty
from sauerkraut.mpi.handles.shells import Shells, Waiting, current
from sauerkraut.objects.freezing import Reduced, refuse

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table

_GIVEN_BY_MPI = re.compile(r"(MPI WIN|[\w ]*window) \d+")  # of Open MPI: "rdma window 3"
_AGAIN = "free it before the checkpoint and make it again in on_restart"


@dataclass(frozen=True)
class Description:
    """A window, as far as it can be made anew."""

    members: tuple[int, ...]
    unit: int
    name: str
    hints: dict[str, str]
    attributes: list[Keyval]

    @property
    def signature(self) -> tuple[Any, ...]:
        """What is equal on all members; the numbers in names that MPI gives may not be."""
        own = "" if _GIVEN_BY_MPI.fullmatch(self.name) else self.name
        return (self.members, (), own)


def describe(window: MPI.Win, members: Members) -> Description:
    """Ask a window what it is. Local.

    Raises:
        CaptureError: its memory is not that of one rank, or it cannot be made again.
    """
    if window.Get_attr(MPI.WIN_CREATE_FLAVOR) not in (
        MPI.WIN_FLAVOR_CREATE,
        MPI.WIN_FLAVOR_ALLOCATE,
    ):
        raise refuse(window, f"its memory is shared, or attached piece by piece; {_AGAIN}")
    if window.Get_errhandler() not in (MPI.ERRORS_RETURN, MPI.ERRORS_ARE_FATAL):
        raise refuse(window, f"it has an error handler of its own; {_AGAIN}")
    ranks = members.holding(window)
    if _is_locked(window):
        raise refuse(window, "it is locked: unlock it before the checkpoint, lock it again after")
    attributes = [
        each for each in attributes_by_keyval("Win", window) if each.number != memory_keyval()
    ]
    unit = int(window.Get_attr(MPI.WIN_DISP_UNIT) or 1)
    return Description(ranks, unit, window.Get_name(), info_of(window), attributes)


def _is_locked(window: MPI.Win) -> bool:
    """Whether this rank has locked memory of any rank there, as by ``Lock_all``.

    MPI does not tell, but lets nobody flush who has no lock; only Open MPI lets anybody do so where
    it allocated the memory, which counts as not locked here.
    """
    allocated = window.Get_attr(MPI.WIN_CREATE_FLAVOR) == MPI.WIN_FLAVOR_ALLOCATE
    if allocated and MPI.get_vendor()[0] == "Open MPI":
        return False
    handler = window.Get_errhandler()
    window.Set_errhandler(MPI.ERRORS_RETURN)
    try:
        window.Flush_all()
    except MPI.Exception:
        return False
    finally:
        window.Set_errhandler(handler)
    return True


def reduce(window: MPI.Win, table: Table) -> Reduced:
    """What is written of a window: an empty one, then what it is, with its memory."""
    number = table.windows.number_of(window)
    memory = memory_of(window)
    if memory is None:
        import numpy as np

        allocated: Any = window.tomemory()
        memory = np.frombuffer(allocated, np.uint8)
    state = (number, table.windows.description_of(number), memory, attributes_of(window))
    return (empty, (type(window),), state, None, None, keep)


def keep(shell: MPI.Win, state: tuple[int, Description, Any, dict[str, Any] | None]) -> None:
    """Note a window that is to be made when all ranks are ready."""
    number, description, memory, attributes = state
    if attributes:
        shell.__dict__.update(attributes)
    shells = current()
    shells.take(shells.windows, number, description, shell, memory)


def build(waiting: Waiting, shells: Shells, place: int) -> MPI.Win:
    """Make a window again over memory of this rank; collective over its members.

    Args:
        waiting: What it was, and the memory.
        shells: Has a communicator of its members.
        place: In one order of all.
    """
    this: Description = waiting.description
    comm = shells.comm_of(this.members, place)
    made = MPI.Win.Create(waiting.memory, this.unit, comm=comm)
    made.Set_attr(memory_keyval(), waiting.memory)  # lives as long as the window
    return made


def dress(made: MPI.Win, this: Description) -> None:
    """Give a window what was hung on it. Local."""
    made.Set_name(this.name)
    set_attributes("Win", made, this.attributes)


def memory_of(window: MPI.Win) -> Any:
    """The object that a window was made over; None: MPI allocated its memory."""
    if (memory := window.Get_attr(memory_keyval())) is not None:
        return memory
    for held in gc.get_referents(window):
        if isinstance(held, MPI.buffer):
            return held.obj
    return None


def reduce_buffer(buffer: Any) -> Reduced:
    """What is written of memory as mpi4py shows it: arrays over it look at the same bytes again."""
    import numpy as np

    data = np.frombuffer(buffer, np.uint8) if buffer.nbytes else np.empty(0, np.uint8)
    return (make_buffer, (data, buffer.readonly))


def make_buffer(data: Any, readonly: bool) -> Any:
    """A look at an array as mpi4py's own kind of memory."""
    return MPI.buffer.frombuffer(data, readonly)


@functools.cache
def memory_keyval() -> int:
    """Has the memory that a window was made over.

    Made before the program's own, which then have the same numbers in every start.
    """
    return MPI.Win.Create_keyval()
