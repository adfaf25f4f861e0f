"""Persistent requests that a restart can make again.

MPI does not tell which peer and tag a persistent request has, and mpi4py keeps its buffer alone. So
from the first Checkpointer over ranks on, communicators note how they are called for one. What was
made before that is known where these two made it: ``send_init(comm, buffer, dest, tag)`` for
``comm.Send_init(buffer, dest, tag)``, and `recv_init`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mpi4py import MPI

from sauerkraut.mpi import noting, wire

_SENDS = ("Send_init", "Bsend_init", "Rsend_init", "Ssend_init")
_RECEIVE = "Recv_init"
_PACKED = 2  # tag of a message to oneself, received at once


@dataclass(frozen=True)
class Call:
    """How a persistent request is made."""

    method: str
    comm: MPI.Comm
    buffer: Any
    peer: int
    tag: int

    @property
    def receives(self) -> bool:
        """Whether it is one to receive."""
        return self.method == _RECEIVE

    @property
    def is_whole(self) -> bool:
        """Whether it can be made again: MPI lets programs free what it was made of."""
        parts = self.buffer if isinstance(self.buffer, (list, tuple)) else ()
        return all(
            bool(part) for part in (self.comm, *parts) if isinstance(part, (MPI.Comm, MPI.Datatype))
        )

    def make(self) -> MPI.Prequest:
        """Make it."""
        made: MPI.Prequest = getattr(self.comm, self.method)(self.buffer, self.peer, self.tag)
        return made

    def packed(self) -> bytes:
        """What is in its buffer, as a message of bytes."""
        status = MPI.Status()
        sending = MPI.COMM_SELF.Isend(self.buffer, 0, _PACKED)
        message = MPI.COMM_SELF.Mprobe(0, _PACKED, status)
        data = wire.receive(message, status)
        sending.Wait()
        return data


_calls: noting.Notes[MPI.Prequest, Call] = noting.Notes()
remember = _calls.remember
call_of = _calls.of


def send_init(comm: MPI.Comm, buffer: Any, dest: int, tag: int = 0) -> MPI.Prequest:
    """Do as ``comm.Send_init``, for a request that comes back. Local."""
    return _made(Call("Send_init", comm, _as_given(buffer), dest, tag))


def recv_init(
    comm: MPI.Comm, buffer: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG
) -> MPI.Prequest:
    """Do as ``comm.Recv_init``, for a request that comes back. Local."""
    return _made(Call(_RECEIVE, comm, _as_given(buffer), source, tag))


@functools.cache
def note_calls() -> None:
    """Let communicators note how their persistent requests are made, from now on."""
    sends = dict.fromkeys(_SENDS, _noting_send)
    noting.replace(MPI.Comm, {**sends, _RECEIVE: _noting_receive})


def _noting_send(plain: Callable[..., MPI.Prequest]) -> Callable[..., MPI.Prequest]:
    @functools.wraps(plain)
    def method(self: MPI.Comm, buf: Any, dest: int, tag: int = 0) -> MPI.Prequest:
        made = plain(self, buf, dest, tag)
        remember(made, Call(plain.__name__, self, _as_given(buf), dest, tag))
        return made

    return method


def _noting_receive(plain: Callable[..., MPI.Prequest]) -> Callable[..., MPI.Prequest]:
    @functools.wraps(plain)
    def method(
        self: MPI.Comm, buf: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG
    ) -> MPI.Prequest:
        made = plain(self, buf, source, tag)
        remember(made, Call(plain.__name__, self, _as_given(buf), source, tag))
        return made

    return method


def _as_given(buffer: Any) -> Any:
    """``buffer`` as it is now: programs may use the list that says what it is for another one."""
    return tuple(buffer) if isinstance(buffer, list) else buffer


def _made(call: Call) -> MPI.Prequest:
    request = call.make()
    remember(request, call)
    return request
