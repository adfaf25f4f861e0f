"""Requests: what is complete comes back complete, with its status and what it received.

They are looked at by ``Get_status``, which leaves them as they are for the running program, but for
persistent ones under MPICH: receives among those are made complete again (`quiesce.receive_again`).
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from mpi4py import MPI

from sauerkraut.mpi import persistent, wire
from sauerkraut.mpi.handles.memory import another, empty, give
from sauerkraut.mpi.handles.shells import current
from sauerkraut.objects.freezing import Reduced, refuse

if TYPE_CHECKING:
    from sauerkraut.mpi.handles.table import Table

_AGAIN = "free it before the checkpoint and make it again after"
_POINT_TO_POINT = (
    "it was made before the Checkpointer and does not tell its peer and tag: make it later, or by "
    "send_init or recv_init of sauerkraut.mpi.persistent, which remember them; a partitioned one: "
    f"{_AGAIN}"
)
_FREED = "the communicator or data type that it was made of is freed: free those after the request"
_COLLECTIVE = f"a persistent collective operation does not tell what it was made of: {_AGAIN}"
_OF_FILE = "it reads or writes a file: complete it (Wait) before the checkpoint"
_OBJECT = 1  # tag of a message to oneself, received at once


class Outcome(NamedTuple):
    """The status of a request that is complete."""

    source: int
    tag: int
    nbytes: int
    cancelled: bool

    @classmethod
    def of(cls, status: MPI.Status) -> Outcome:
        """What a status says; of a request to send, most of it means nothing."""
        nbytes = max(0, status.Get_count(MPI.BYTE))
        return cls(status.Get_source(), status.Get_tag(), nbytes, status.Is_cancelled())


def reduce(request: MPI.Request, table: Table) -> Reduced:
    """What is written of a request; one that is not complete is noted in the table.

    Raises:
        CaptureError: it did not complete in time, or cannot come back at all.
    """
    call = None
    if isinstance(request, MPI.Prequest) and (call := persistent.call_of(request)) is None:
        raise refuse(request, _POINT_TO_POINT if _has_peer(request) else _COLLECTIVE)
    if call is not None and not call.is_whole:
        raise refuse(request, _FREED)
    if _keeps(request, "_p_msg_io"):  # MPICH frees those that Get_status finds complete
        raise refuse(request, _OF_FILE)
    if isinstance(request, MPI.Grequest):
        raise refuse(request, "complete it and keep its result: a generalized request is code")
    if (reason := table.refused.get((MPI.Request, request.handle))) is not None:
        raise refuse(request, reason)
    outcome = look(request, table)
    if outcome is None:
        table.pending.append(request)
        return (MPI.Request, ())
    if request.handle not in table.complete:
        # What it received may have come when its buffer was written already.
        table.complete.add(request.handle)
        table.pending.append(request)
    if call is not None and isinstance(request, MPI.Prequest):
        active = call.receives and outcome.source != MPI.ANY_SOURCE
        if active:
            table.received.append((request, call, outcome))
        state = (call, tuple(outcome) if active else None)
        return (empty, (type(request),), state, None, None, keep_persistent)
    made = (type(request), _received(request, outcome.nbytes))
    return (make, made, tuple(outcome), None, None, keep)


def look(request: MPI.Request, table: Table) -> Outcome | None:
    """What a request tells; None: it is not complete.

    A persistent one is asked once: MPICH lets go of one that it finds complete.
    """
    if (known := table.outcomes.get(request.handle)) is not None:
        return known
    status = MPI.Status()
    if not request.Get_status(status):
        return None
    outcome = Outcome.of(status)
    if isinstance(request, MPI.Prequest):
        table.outcomes[request.handle] = outcome
    return outcome


def is_active(request: MPI.Prequest) -> bool:
    """Whether a persistent receive that was complete still is, for those who wait for it."""
    status = MPI.Status()
    return not request.Get_status(status) or status.Get_source() != MPI.ANY_SOURCE


def keep_persistent(
    shell: MPI.Prequest,
    state: persistent.Call | tuple[persistent.Call, tuple[int, int, int, bool] | None],
) -> None:
    """Note a persistent request that is to be made when its communicator is there.

    One without an outcome was not active, or sends; earlier releases told none.
    """
    call, told = state if isinstance(state, tuple) else (state, None)
    current().persistent.append((shell, call, None if told is None else Outcome(*told)))


def make_persistent(
    waiting: Sequence[tuple[MPI.Prequest, persistent.Call, Outcome | None]],
) -> list[tuple[MPI.Prequest, persistent.Call, Outcome]]:
    """Make persistent requests again. Local.

    Returns:
        The receives among them that were complete, not started yet.
    """
    for shell, call, _ in waiting:
        give(shell, call.make())
        persistent.remember(shell, call)
    return [(shell, call, outcome) for shell, call, outcome in waiting if outcome is not None]


def make(cls: Any, pickled: bytes | None) -> Any:
    """An empty request; where ``wait`` returns an object, with the buffer that it is in."""
    if pickled is None:
        return empty(cls)
    receiving = MPI.COMM_SELF.irecv(bytearray(pickled), 0, _OBJECT)
    shell = another(cls, receiving)
    sending = MPI.COMM_SELF.Isend([pickled, MPI.BYTE], 0, _OBJECT)
    MPI.Request.Waitall([receiving, sending])
    give(shell, MPI.REQUEST_NULL)
    return shell


def keep(shell: MPI.Request, outcome: tuple[int, int, int, bool]) -> None:
    """Note a request that is to be complete, with this outcome, when all ranks are ready."""
    current().requests.append((shell, Outcome(*outcome)))


def complete(comm: MPI.Intracomm, waiting: Sequence[tuple[MPI.Request, Outcome]]) -> None:
    """Give each request a handle that is complete, with its status. Collective.

    A status can be had of a real message only: the rank whose number it is to show sends one. A
    generalized request would take any status, but with those ``Waitall`` of Open MPI 5 crashes.

    Args:
        comm: The private duplicate.
        waiting: Requests of this rank without a handle, and what they are to tell.
    """
    wishes: list[list[Outcome]] = comm.allgather([outcome for _, outcome in waiting])
    if not any(wishes):
        return
    own = comm.Dup()  # tags of the program mean nothing there
    here, size, largest = own.Get_rank(), own.Get_size(), wire.largest_tag()
    received = []
    for shell, wish in waiting:
        outcome = _possible(wish, here, size, largest)
        made = own.Irecv([bytearray(outcome.nbytes), MPI.BYTE], outcome.source, outcome.tag)
        if outcome.cancelled:
            made.Cancel()
        give(shell, made)
        received.append(made)
    sent = []
    for dest, theirs in enumerate(wishes):
        for wish in theirs:
            outcome = _possible(wish, dest, size, largest)
            if outcome.source == here and not outcome.cancelled:
                data = [bytes(outcome.nbytes), MPI.BYTE]
                sent.append(own.Isend(data, dest, outcome.tag))
    MPI.Request.Waitall(sent)
    began = time.monotonic()
    while not all(made.Get_status() for made in received):
        wire.rest(time.monotonic() - began)
    own.Free()


def _possible(wish: Outcome, rank: int, size: int, largest: int) -> Outcome:
    """``wish`` as a message of its own; what no receive can have told is an empty one to itself."""
    if 0 <= wish.source < size and 0 <= wish.tag <= largest:
        return wish
    return Outcome(rank, 0, 0, wish.cancelled)


def _has_peer(request: MPI.Prequest) -> bool:
    """Whether a persistent request is to send or receive; else it is a collective operation."""
    return _keeps(request, "_p_msg_p2p")


def _keeps(request: MPI.Request, kind: str) -> bool:
    """Whether mpi4py keeps this of the call that made it, so that its buffer lives as long."""
    return any(type(kept).__name__ == kind for kept in gc.get_referents(request))


def _received(request: MPI.Request, nbytes: int) -> bytes | None:
    """The pickled object that ``wait`` returns; None: it returns none."""
    for kept in gc.get_referents(request):
        if type(kept).__name__ == "_p_req_buf" and nbytes:
            for held in gc.get_referents(kept):
                if not isinstance(held, type):  # some builds of mpi4py tell its class as well
                    return bytes(memoryview(held)[:nbytes])
    return None
