"""Messages between ranks about tasks, and from task to task wherever these are.

A message to a task goes to the rank where it was last known to be, else to its home rank (its id
modulo the number of ranks), which is told of every move. A rank that a task has left sends its
messages after it, and tells the rank they came from.
"""

from __future__ import annotations

import pickle
import struct
import time
from collections.abc import Callable
from typing import Any

from mpi4py import MPI

from sauerkraut.mpi import wire
from sauerkraut.mpi.tasks.task import Letter, Read

_LETTER = struct.Struct("<6q")
LETTER, OTHER = b"L", b"O"


class Post:
    """Carries messages over a communicator of its own.

    Args:
        comm: The ranks.
        tag: Its one tag.
        receive: Called with the sending rank and each letter or picklable message that has come.
    """

    def __init__(self, comm: MPI.Intracomm, tag: int, receive: Callable[[int, Any], None]) -> None:
        self.sent = 0
        self.received = 0
        self._comm = comm
        self._tag = tag
        self._receive = receive
        self._under_way: list[MPI.Request] = []
        self._status = MPI.Status()

    def send(self, rank: int, message: Letter | Read | tuple[Any, ...], origin: int = -1) -> None:
        """Send a message; ``origin`` is the rank that a letter came from first."""
        if isinstance(message, Letter):
            head = _LETTER.pack(
                message.source,
                message.dest,
                message.number,
                message.context,
                message.tag,
                origin,
            )
            data = b"".join((LETTER, head, message.data))
        else:
            data = OTHER + pickle.dumps(message, 5)
        request = self._comm.Isend([data, MPI.BYTE], rank, self._tag)
        if not request.Test():
            self._under_way.append(request)
        self.sent += 1

    @property
    def busy(self) -> bool:
        """Whether something that was sent is still on its way."""
        return bool(self._under_way)

    def progress(self) -> bool:
        """Take in what has come; whether anything had."""
        any_came = False
        status = self._status
        while (found := self._comm.Improbe(MPI.ANY_SOURCE, self._tag, status)) is not None:
            source = status.Get_source()
            data = memoryview(wire.take(found, status))
            self.received += 1
            any_came = True
            if data[:1] == OTHER:
                self._receive(source, pickle.loads(data[1:]))
                continue
            task, dest, number, context, tag, origin = _LETTER.unpack_from(data, 1)
            letter = Letter(task, dest, number, context, tag, bytes(data[1 + _LETTER.size :]))
            self._receive(source if origin < 0 else origin, letter)
        if self._under_way:
            self._under_way = [each for each in self._under_way if not each.Test()]
        return any_came

    def finish(self) -> None:
        """Wait until what any rank has sent is received; nobody is told of it. Collective."""
        all_sent: MPI.Request | None = None
        began, status = time.monotonic(), self._status
        while all_sent is None or not all_sent.Test():
            while (found := self._comm.Improbe(MPI.ANY_SOURCE, self._tag, status)) is not None:
                wire.receive(found, status)
            self._under_way = [each for each in self._under_way if not each.Test()]
            if all_sent is None and not self._under_way:
                all_sent = self._comm.Ibarrier()
            wire.rest(time.monotonic() - began)
