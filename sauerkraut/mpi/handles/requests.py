"""Requests: what is complete comes back complete, with its status and what it received.

They are looked at by ``Get_status``, which leaves them as they are for the running program.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Any, NamedTuple

from mpi4py import MPI

from sauerkraut.mpi import persistent
from sauerkraut.mpi.handles.memory import another, empty, give
from sauerkraut.mpi.handles.shells import current
from sauerkraut.objects.freezing import Reduced, refuse

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table


class Outcome(NamedTuple):
    """The status of a request that is complete."""

    source: int
    tag: int
    error: int
    nbytes: int
    cancelled: bool

    @classmethod
    def of(cls, status: MPI.Status) -> Outcome:
        """What a status says; of a request to send, most of it means nothing."""
        nbytes = max(0, status.Get_count(MPI.BYTE))
        error = status.Get_error()
        return cls(status.Get_source(), status.Get_tag(), error, nbytes, status.Is_cancelled())

    def tell(self, status: MPI.Status) -> None:
        """Say it in ``status``."""
        status.Set_source(self.source)
        status.Set_tag(self.tag)
        status.Set_error(self.error)
        status.Set_elements(MPI.BYTE, self.nbytes)
        status.Set_cancelled(self.cancelled)


def reduce(request: MPI.Request, table: Table) -> Reduced:
    """What is written of a request; one that is not complete is noted in the table.

    Raises:
        CaptureError: it did not complete in time, or cannot come back at all.
    """
    call = None
    if isinstance(request, MPI.Prequest) and (call := persistent.call_of(request)) is None:
        raise refuse(
            request,
            "it does not tell its peer and tag: make it by send_init or recv_init of "
            "sauerkraut.mpi.persistent, which remember them",
        )
    if (reason := table.refused.get((MPI.Request, request.handle))) is not None:
        raise refuse(request, reason)
    status = MPI.Status()
    if not request.Get_status(status):
        table.pending.append(request)
        return (MPI.Request, ())
    if request.handle not in table.complete:
        # What it received may have come when its buffer was written already.
        table.complete.add(request.handle)
        table.pending.append(request)
    if call is not None:
        return (empty, (type(request),), call, None, None, keep_persistent)
    outcome = Outcome.of(status)
    return (make, (type(request), tuple(outcome), _received(request, outcome.nbytes)))


def keep_persistent(shell: MPI.Prequest, call: persistent.Call) -> None:
    """Note a persistent request that is to be made when its communicator is there: inactive."""

    def make() -> None:
        give(shell, call.make())
        persistent.remember(shell, call)

    current().afterwards.append(make)


def make(cls: Any, outcome: tuple[int, int, int, int, bool], received: Any) -> Any:
    """A request that is complete, with this outcome."""
    made = MPI.Grequest.Start(Outcome(*outcome).tell)
    if received is None:
        made.Complete()
    else:
        is_pickled, value = received
        made.complete(MPI.pickle.loads(value) if is_pickled else value)
    return another(cls, made)


def _received(request: MPI.Request, nbytes: int) -> tuple[bool, Any] | None:
    """What ``wait`` returns: as received, (True, pickled); else (False, object); None: nothing."""
    for kept in gc.get_referents(request):
        kind = type(kept).__name__
        held = gc.get_referents(kept)
        if kind == "_p_req_buf" and held and nbytes:
            return True, bytes(memoryview(held[0])[:nbytes])
        if kind == "_p_req_obj" and held:
            return False, held[0]
    return None
