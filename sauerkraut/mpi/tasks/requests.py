"""What a `TaskComm` has begun: each message goes to the receive that was posted first.

While a task waits here for anything at all, messages go to all receives that it has posted. So no
task waits for room in the mailbox of one whose receive is there.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterable, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from mpi4py import MPI

from sauerkraut.errors import MigrationError
from sauerkraut.mpi.tasks import running
from sauerkraut.mpi.tasks.buffers import place_of
from sauerkraut.mpi.tasks.member import Member, ReceivePosted
from sauerkraut.mpi.tasks.messages import receive, send_bytes
from sauerkraut.mpi.tasks.switching import YIELDS, Request, Waits, switch
from sauerkraut.mpi.tasks.task import AwaitRoom, Letter, Receive

if TYPE_CHECKING:
    from sauerkraut.mpi.tasks.comm import TaskComm


class TaskRequest:
    """A send or receive of a `TaskComm` that has begun; travels with its task.

    Names and meaning are mpi4py's: upper case for arrays, lower case for objects. A send is
    complete when it is made, as a copy was taken; to wait for it waits for room in the mailbox of
    its receiver, see `TaskPool`. One that is complete and was waited for is null, as in MPI:
    waiting for it again does nothing.
    """

    __slots__ = ("_buffer", "_comm", "_dest", "_is_object", "_letter", "_wanted")

    __module__ = "sauerkraut.mpi"  # by this name it is in checkpoints

    def __init__(
        self,
        comm: TaskComm,
        *,
        wanted: Receive | None = None,
        buffer: Any = None,
        is_object: bool = False,
        dest: int | None = None,
    ) -> None:
        self._comm = comm
        self._wanted = wanted
        self._buffer = buffer
        self._is_object = is_object
        self._dest = dest
        self._letter: Letter | None = None

    # --- what a program calls

    def Wait(self, status: MPI.Status | None = None) -> Literal[True]:
        """Wait until it is complete; the buffer has been filled then.

        Raises:
            MigrationError: the message is longer than the buffer; names both sizes.
        """
        self.finish(status)
        return True

    def wait(self, status: MPI.Status | None = None) -> Any:
        """Wait until it is complete; returns the object that was received. Raises as `Wait`."""
        return self.finish(status)

    def Test(self, status: MPI.Status | None = None) -> bool:
        """Whether it is complete; if not, other tasks have run meanwhile. Raises as `Wait`."""
        return self.test(status)[0]

    def test(self, status: MPI.Status | None = None) -> tuple[bool, Any]:
        """As `Test`, with the object that was received."""
        if not self.is_ready():
            pause(YIELDS, sys._getframe())
            if not self.is_ready():
                return False, None
        return True, self.finish(status)

    @classmethod
    def Waitall(
        cls, requests: Iterable[TaskRequest], statuses: list[MPI.Status] | None = None
    ) -> Literal[True]:
        """Wait for all of them; ``statuses`` is filled in, as far as it reaches."""
        cls.waitall(requests, statuses)
        return True

    @classmethod
    def waitall(
        cls, requests: Iterable[TaskRequest], statuses: list[MPI.Status] | None = None
    ) -> list[Any]:
        """As `Waitall`; returns what each has received."""
        values = []
        for place, each in enumerate(list(requests)):
            status = statuses[place] if statuses is not None and place < len(statuses) else None
            values.append(each.finish(status))
        return values

    @classmethod
    def Waitany(cls, requests: Sequence[TaskRequest], status: MPI.Status | None = None) -> int:
        """Wait for one of them and return its place; ``MPI.UNDEFINED`` where all are null."""
        return cls.waitany(requests, status)[0]

    @classmethod
    def waitany(
        cls, requests: Sequence[TaskRequest], status: MPI.Status | None = None
    ) -> tuple[int, Any]:
        """As `Waitany`, with what it has received."""
        left = [place for place, each in enumerate(requests) if not each.is_null]
        while left:
            for place in left:
                if requests[place].is_ready():
                    return place, requests[place].finish(status)
            what = f"one of {len(left)}: {'; '.join(requests[place].what for place in left[:4])}"
            give(receive(_posted(what), sys._getframe()))
        return MPI.UNDEFINED, None

    def __getstate__(self) -> tuple[Any, ...]:
        """As `__setstate__` takes it, of plain values: it is in checkpoints."""
        wanted = None if self._wanted is None else self._wanted.fields()
        letter = None if self._letter is None else self._letter.fields()
        return self._comm, wanted, self._buffer, self._is_object, self._dest, letter

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._comm, wanted, self._buffer, self._is_object, self._dest, letter = state
        self._wanted = None if wanted is None else Receive(*wanted)
        self._letter = None if letter is None else Letter(*letter)

    # --- what the communicator calls

    @property
    def is_null(self) -> bool:
        """Whether nothing is to be waited for."""
        return self._wanted is None and self._dest is None

    @property
    def what(self) -> str:
        """What it waits for, for people."""
        if self._wanted is None:
            return f"room in the mailbox of task {self._dest}"
        return self._comm.describe(self._wanted)

    def takes(self, letter: Letter) -> bool:
        """Whether this message is for it."""
        return self._wanted is not None and self._wanted.takes(letter)

    def fill(self, letter: Letter) -> None:
        """This message is for it."""
        self._letter = letter

    def is_ready(self) -> bool:
        """Whether it is complete, by what has come so far."""
        while self._wanted is not None and self._letter is None:
            resident = running.resident("a TaskRequest")
            found = running.pool().delivery.take(resident, _posted(""))
            if found is None:
                return False
            give(found[0])
        return True

    def finish(self, status: MPI.Status | None = None) -> Any:
        """Wait until it is complete; returns the object that was received. Raises as `Wait`."""
        while self._wanted is not None and self._letter is None:
            give(receive(_posted(self.what), sys._getframe()))
        while self._dest is not None:
            letter = pause(Waits(AwaitRoom(self._dest, _posted(""))), sys._getframe())
            if letter is None:
                self._dest = None
            else:
                give(letter)
        letter, self._letter, self._wanted = self._letter, None, None
        if letter is None:
            tell(status, MPI.PROC_NULL, MPI.ANY_TAG, 0)
            return None
        source = self._comm.rank_of(letter.source)
        tell(status, source, letter.tag, len(letter.data))
        if self._is_object:
            return pickle.loads(letter.data)
        if self._buffer is None:
            return letter.data
        buffer, self._buffer = self._buffer, None
        place = place_of(buffer, writable=True)
        if len(letter.data) > place.nbytes:
            raise MigrationError(
                f"a message of {len(letter.data)} bytes of rank {source} with tag {letter.tag} is "
                f"longer than the buffer of {place.nbytes} bytes that it was received into"
            )
        place.write(letter.data)
        return None


def member() -> Member:
    """What the task that runs is as a virtual rank. Raises MigrationError where it is none."""
    found: Member | None = running.resident("a TaskComm").luggage.member
    if found is None:
        raise MigrationError("this task is no virtual rank: make it with TaskPool.spawn_ranks")
    return found


def post(request: TaskRequest) -> TaskRequest:
    """Let a receive take a message, once those posted before it have taken theirs."""
    member().posted.append(request)
    return request


def give(letter: Letter) -> None:
    """Let the receive that was posted first take a message."""
    posted = member().posted
    for place, each in enumerate(posted):
        if each.takes(letter):
            each.fill(letter)
            del posted[place]
            return


def post_bytes(data: bytes, dest: int, tag: int, context: int) -> int | None:
    """Send to a task; returns it again where room in its mailbox is to be waited for."""
    _, room = send_bytes(data, dest, tag, "a TaskComm", context)
    return None if room is None else dest


def pause(request: Request, innermost: FrameType) -> Any:
    """Hand control to the rank, for the function whose frame is ``innermost``."""
    return switch(running.resident("a TaskComm"), request, innermost)


def tell(status: MPI.Status | None, source: int, tag: int, nbytes: int) -> None:
    """Say in ``status`` what has come."""
    if status is not None:
        status.Set_source(source)
        status.Set_tag(tag)
        status.Set_elements(MPI.BYTE, nbytes)
        status.Set_cancelled(flag=False)


def _posted(what: str) -> ReceivePosted:
    return ReceivePosted(None, None, is_object=False, posted=member().posted, what=what)
