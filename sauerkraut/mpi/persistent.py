"""Persistent requests that a restart can make again.

mpi4py does not tell which peer and tag a persistent request has, so those that are to live across
checkpoints are made by these two, which remember it: ``sauerkraut.mpi.persistent.send_init(comm,
buffer, dest, tag)`` for ``comm.Send_init(buffer, dest, tag)``.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from mpi4py import MPI


@dataclass(frozen=True)
class Call:
    """How a persistent request is made."""

    method: str
    comm: MPI.Comm
    buffer: Any
    peer: int
    tag: int

    def make(self) -> MPI.Prequest:
        """Make it."""
        made: MPI.Prequest = getattr(self.comm, self.method)(self.buffer, self.peer, self.tag)
        return made


_calls: dict[int, tuple[weakref.ref[MPI.Prequest], Call]] = {}


def send_init(comm: MPI.Comm, buffer: Any, dest: int, tag: int = 0) -> MPI.Prequest:
    """Do as ``comm.Send_init``, for a request that comes back. Local."""
    return _made(Call("Send_init", comm, buffer, dest, tag))


def recv_init(
    comm: MPI.Comm, buffer: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG
) -> MPI.Prequest:
    """Do as ``comm.Recv_init``, for a request that comes back. Local."""
    return _made(Call("Recv_init", comm, buffer, source, tag))


def remember(request: MPI.Prequest, call: Call) -> None:
    """Note how ``request`` is made; its buffer lives as long as it does."""
    key = id(request)

    def forget(_: object) -> None:
        _calls.pop(key, None)

    _calls[key] = (weakref.ref(request, forget), call)


def call_of(request: MPI.Prequest) -> Call | None:
    """How ``request`` is made; None: mpi4py's own call made it."""
    found = _calls.get(id(request))
    return found[1] if found is not None and found[0]() is request else None


def _made(call: Call) -> MPI.Prequest:
    request = call.make()
    remember(request, call)
    return request
