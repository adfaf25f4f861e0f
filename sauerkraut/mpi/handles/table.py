"""The handles of MPI in what one checkpoint captures, or in what one restart brings back."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from sauerkraut.checkpoint.agreement import agreed
from sauerkraut.errors import ResumeError
from sauerkraut.mpi import quiesce
from sauerkraut.mpi.handles import communicators, errhandlers, files, local, requests, windows
from sauerkraut.mpi.handles.members import Members
from sauerkraut.mpi.handles.memory import another, is_named
from sauerkraut.mpi.handles.numbered import Numbered
from sauerkraut.mpi.handles.shells import Shells
from sauerkraut.mpi.persistent import Call
from sauerkraut.mpi.redelivery import Message, Traffic
from sauerkraut.objects.freezing import Freezing, refuse
from sauerkraut.settings import Settings

if TYPE_CHECKING:
    from sauerkraut.group import Group

_Reduce = Callable[[Any, "Table"], Any]

_REFUSED: dict[type, str] = {
    MPI.Message: "receive it before the checkpoint",
    MPI.Session: "finalize it before the checkpoint",
}
_LOCAL: dict[type, _Reduce] = {
    MPI.Group: local.reduce_group,
    MPI.Op: local.reduce_op,
    MPI.Datatype: local.reduce_datatype,
    MPI.Info: local.reduce_info,
    MPI.Errhandler: errhandlers.reduce,
    MPI.Request: requests.reduce,
    MPI.Win: windows.reduce,
    MPI.File: files.reduce,
}
_FAMILIES: tuple[type, ...] = (MPI.Comm, MPI.buffer, *_REFUSED, *_LOCAL)


class Table:
    """See `sauerkraut.group.Handles`.

    Args:
        group: The ranks.
        members: Of their private duplicate.
        given: The communicator given to the Checkpointer, or what stands for it.
        settings: How long to wait for what is in flight.
        traffic: What was sent again and is not received yet.
    """

    def __init__(
        self,
        group: Group,
        members: Members,
        given: Any,
        settings: Settings,
        traffic: Traffic,
    ) -> None:
        self.group = group
        self.settings = settings
        self.given = given
        self.traffic = traffic
        self.members = members
        self.shells = Shells(self.members)
        self.comms = Numbered(self, MPI.Comm, communicators.describe)
        """The communicators met, by their number."""
        self.windows = Numbered(self, MPI.Win, windows.describe)
        """The windows met, by their number."""
        self.files = Numbered(self, MPI.File, files.describe)
        """The files met, by their number."""
        self.outcomes: dict[int, requests.Outcome] = {}
        """What persistent requests told, by their handle."""
        self.received: list[tuple[MPI.Prequest, Call, requests.Outcome]] = []
        """Persistent receives met that were complete, and not waited for."""
        self.pending: list[MPI.Request] = []
        """The requests met that were not known to be complete when the capture began."""
        self.complete: set[int] = set()
        """Those known to be, by their handle."""
        self.refused: dict[tuple[type, int], str] = {}
        """Why a handle, by its family, cannot come back: known since the last capture."""
        self.held: list[tuple[MPI.Comm, Message]] = []
        """What this rank had sent and nobody had received, out of flight until `go_on`."""
        self.nbytes = 0
        """See `sauerkraut.group.Handles`."""
        self.partly_seen = 0
        """Ranks of the largest communicator of which only some pairs exchange markers; 0: none."""
        self._in_reach = False
        self._stored = b""
        self.clear()

    def clear(self) -> None:
        """Forget what was met: the graph is written anew."""
        self.comms.clear()
        self.pending.clear()
        self.received.clear()
        self.windows.clear()
        self.files.clear()
        self._firsts: dict[tuple[type, int], Any] = {}
        self._met = False

    # ---------------------------------------------------------------- capture

    def takes(self, value: object) -> bool:
        """Whether ``value`` is a handle of MPI that this writes."""
        return isinstance(value, _FAMILIES)

    def owns(self, value: object) -> bool:
        """Whether ``value`` is a handle that a restarted program does not have by itself."""
        if not self.takes(value):
            return False
        if isinstance(value, MPI.buffer):
            return True
        own = is_named(value) or value == self.given
        self._in_reach |= own and isinstance(value, MPI.Comm)
        return not own

    def reduce(self, handle: Any, _: Freezing) -> Any:
        """What is written of a handle.

        Raises:
            CaptureError: it cannot come back; says why.
        """
        self._met = True
        if isinstance(handle, MPI.buffer):
            return windows.reduce_buffer(handle)
        if isinstance(handle, MPI.Status) or is_named(handle):
            communicators.refuse_larger_world(handle, self.members)
            return handle.__reduce_ex__(5)
        if isinstance(handle, MPI.Comm):
            return communicators.reduce(handle, self)
        for cls, advice in _REFUSED.items():
            if isinstance(handle, cls):
                raise refuse(handle, advice)
        family, reduce = next(each for each in _LOCAL.items() if isinstance(handle, each[0]))
        # Open MPI gives all requests that were complete at once the same handle.
        own = family in (MPI.Request, MPI.Win, MPI.File)
        first = handle if own else self._firsts.setdefault((family, handle.handle), handle)
        if first is not handle:
            return (another, (type(handle), first))
        return reduce(handle, self)

    def owner_of(self, root: Any, base: Any) -> tuple[Any, Any]:
        """The array that owns memory of a window, and what it borrows from; see `root_of`."""
        if isinstance(base, MPI.buffer) and base.obj is not None:
            base = base.obj
        if isinstance(base, MPI.Win) and (memory := windows.memory_of(base)) is not None:
            import numpy as np

            from sauerkraut.objects.arrays import root_of

            return root_of(np.frombuffer(memory, np.uint8))
        return root, base

    def told(self) -> object:
        """What the other ranks must know; None: no handle was met."""
        if not self._met and not self._in_reach and not self._has_mail():
            return None
        return quiesce.Told(
            self.comms.signatures(),
            bool(self.pending),
            bool(self.complete),
            self.windows.signatures(),
            self.files.signatures(),
            [each.opening.key for each in self.files.descriptions.values() if each.opening.shared],
            bool(self.received),
        )

    def _has_mail(self) -> bool:
        """Whether a message waits where programs send that hold no communicator."""
        base = {id(comm): comm for comm in (self.given, MPI.COMM_WORLD, MPI.COMM_SELF)}.values()
        return any(isinstance(comm, MPI.Comm) and comm.Iprobe() for comm in base)

    def settle(self, told: Sequence[Any]) -> bool:
        """See `sauerkraut.group.Handles`."""
        settled = quiesce.settle(self, told)
        if settled is None:
            return True
        self._stored = pickle.dumps(settled, protocol=5)
        return False

    def unseen(self) -> str | None:
        """See `sauerkraut.group.Handles`."""
        if not self.partly_seen:
            return None
        return (
            f"SAUERKRAUT_MARKER_RANKS={self.settings.marker_ranks}: on a communicator of "
            f"{self.partly_seen} ranks, messages in flight are looked for from and to rank 0 and "
            "neighbours in a Cartesian topology only; a restart loses all others"
        )

    def stream(self) -> bytes:
        """What is stored beside the graph, once settled."""
        return self._stored

    def go_on(self) -> None:
        """Send again what was in flight: the program goes on."""
        held, self.held = self.held, []
        self.traffic.send(held)

    # ---------------------------------------------------------------- restart

    def prepare(self, stored: bytes) -> None:
        """See `sauerkraut.group.Handles`.

        Raises:
            ResumeError: graph and order do not belong together.
        """
        self._settled: quiesce.Settled = pickle.loads(stored)
        shells, settled = self.shells, self._settled
        if any(
            places.keys() != family.keys()
            for places, family in (
                (settled.order, shells.comms),
                (settled.windows, shells.windows),
                (settled.files, shells.files),
            )
        ):
            raise ResumeError("the epoch's handles and their order do not belong together")
        files.refuse_shorter(shells, settled.files)

    def rebuild(self) -> None:
        """See `sauerkraut.group.Handles`."""
        shells, settled, members = self.shells, self._settled, self.members
        shells.make(
            shells.comms,
            settled.order,
            lambda each, place: communicators.build(each.description, members, place),
        )
        shells.set_hints(shells.comms, settled.order)
        shells.make(
            shells.windows,
            settled.windows,
            lambda each, place: windows.build(each, shells, place),
        )
        shells.set_hints(shells.windows, settled.windows)
        if settled.any_files:
            files.rebuild(self.group, shells, settled.files)
            shells.set_hints(shells.files, {n: each.place for n, each in settled.files.items()})
        if settled.requests:
            requests.complete(members.comm, shells.requests)
            with agreed(self.group, "persistent requests"):
                received = requests.make_persistent(shells.persistent)
            comms = {n: (each.made, each.description) for n, each in shells.comms.items()}
            quiesce.receive_again(self, settled.order, comms, received)

    def dress(self) -> None:
        """See `sauerkraut.group.Handles`."""
        shells = self.shells
        for each in shells.comms.values():
            communicators.dress(each.made, each.description)
        for each in shells.windows.values():
            windows.dress(each.made, each.description)
        comms = {number: each.made for number, each in shells.comms.items()}
        quiesce.send_again(self, comms, self._settled.messages)
