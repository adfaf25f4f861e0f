"""`TaskComm`: a communicator whose ranks are tasks, shaped like those of mpi4py."""

from __future__ import annotations

import operator
import pickle
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from mpi4py import MPI

from sauerkraut.errors import MigrationError
from sauerkraut.mpi.tasks import collectives, running
from sauerkraut.mpi.tasks.buffers import place_of
from sauerkraut.mpi.tasks.member import Member, context_of
from sauerkraut.mpi.tasks.messages import LARGEST
from sauerkraut.mpi.tasks.requests import TaskRequest, member, post, post_bytes
from sauerkraut.mpi.tasks.task import Receive
from sauerkraut.wording import counted

Op = MPI.Op | Callable[[Any, Any], Any]


class TaskComm:
    """The tasks of one `TaskPool.spawn_ranks`, wherever they are, as ranks 0, 1, ...

    Names, arguments and meaning are mpi4py's: upper case for arrays, also ``[array, datatype]`` and
    ``[array, count, datatype]``, lower case for objects; ``MPI.ANY_SOURCE``, ``ANY_TAG``,
    ``PROC_NULL``, ``IN_PLACE``, `MPI.Status` and its operations are used as they are. Requests are
    `TaskRequest`, so it is ``TaskRequest.Waitall``. Every send takes a copy when it is called.

    It is a value: it can be pickled, and in each task its `rank` is that of the task. Its messages
    are apart from those of `send` and of other communicators. Each task calls the collectives in
    the same order; `Reduce` and its kin combine in an order that only the size decides: ranks 0 and
    1, 2 and 3, then these pairs, and so on, the lower one on the left.

    Every method raises MigrationError: this is no task of it, there is no such rank or tag, or a
    message is longer than its buffer.
    """

    __slots__ = ("_context", "_members")
    __module__ = "sauerkraut.mpi"  # by this name it is in checkpoints

    def __init__(self, context: int, members: Sequence[int]) -> None:
        self._context = context
        self._members = members

    @classmethod
    def of(cls, member: Member) -> TaskComm:
        """That of all that were spawned together."""
        return cls(member.context, member.members)

    @classmethod
    def world(cls) -> TaskComm:
        """That of all that were spawned with the task that calls this; its ``COMM_WORLD``."""
        return cls.of(member())

    # --- who there is

    @property
    def rank(self) -> int:
        """Of the task that asks."""
        task = running.resident("TaskComm.rank").luggage.id
        self._refuse_others(task)
        return self._members.index(task)

    @property
    def size(self) -> int:
        """Number of tasks."""
        return len(self._members)

    def Get_rank(self) -> int:
        """`rank`."""
        return self.rank

    def Get_size(self) -> int:
        """`size`."""
        return self.size

    def Split(self, color: int = 0, key: int = 0) -> TaskComm | MPI.Comm:
        """The tasks that say the same color, by key, then by rank. Collective.

        Returns:
            ``MPI.COMM_NULL`` where the color is ``MPI.UNDEFINED``.
        """
        mine = member()
        told = collectives.allgather(self, (color, key, mine.led + 1))
        ranks = sorted((told[rank][1], rank) for rank in range(self.size) if told[rank][0] == color)
        if color == MPI.UNDEFINED:
            return MPI.COMM_NULL
        first = ranks[0][1]
        if first == self.rank:
            mine.led += 1
        context = context_of(self._members[first], told[first][2])
        return type(self)(context, tuple(self._members[rank] for _, rank in ranks))

    def Dup(self) -> TaskComm | MPI.Comm:
        """The same tasks, with messages of their own. Collective."""
        return self.Split(0, self.rank)

    def Free(self) -> None:
        """Do nothing: there is nothing to free."""

    # --- arrays

    def Send(self, buf: Any, dest: int, tag: int = 0) -> None:
        """Send a copy; waits while too much is unread in the receiver's mailbox."""
        self.Isend(buf, dest, tag).finish()

    def Recv(
        self,
        buf: Any,
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> None:
        """Receive into ``buf``, which may be longer than the message."""
        self.Irecv(buf, source, tag).finish(status)

    def Sendrecv(
        self,
        sendbuf: Any,
        dest: int,
        sendtag: int = 0,
        recvbuf: Any = None,
        source: int = MPI.ANY_SOURCE,
        recvtag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> None:
        """Send and receive at once."""
        receiving = self.Irecv(recvbuf, source, recvtag)
        sending = self.Isend(sendbuf, dest, sendtag)
        receiving.finish(status)
        sending.finish()

    def Isend(self, buf: Any, dest: int, tag: int = 0) -> TaskRequest:
        """Begin to send a copy: ``buf`` may change at once."""
        return self._isend(b"" if dest == MPI.PROC_NULL else place_of(buf).read(), dest, tag)

    def Irecv(self, buf: Any, source: int = MPI.ANY_SOURCE, tag: int = MPI.ANY_TAG) -> TaskRequest:
        """Begin to receive into ``buf``, which is filled when the request is waited for."""
        if source == MPI.PROC_NULL:
            return TaskRequest(self)
        place_of(buf, writable=True)  # what is no buffer is said here
        return post(TaskRequest(self, wanted=self._wanted(source, tag), buffer=buf))

    # --- objects

    def send(self, obj: Any, dest: int, tag: int = 0) -> None:
        """Send a pickled copy; waits as `Send` does."""
        self.isend(obj, dest, tag).finish()

    def recv(
        self,
        buf: Any = None,  # noqa: ARG002 - as in mpi4py, which needs it for nothing else
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> Any:
        """Return the object that was sent; None from ``PROC_NULL``."""
        return self.irecv(None, source, tag).finish(status)

    def sendrecv(
        self,
        sendobj: Any,
        dest: int,
        sendtag: int = 0,
        recvbuf: Any = None,  # noqa: ARG002 - as in recv
        source: int = MPI.ANY_SOURCE,
        recvtag: int = MPI.ANY_TAG,
        status: MPI.Status | None = None,
    ) -> Any:
        """Send and receive at once."""
        receiving = self.irecv(None, source, recvtag)
        sending = self.isend(sendobj, dest, sendtag)
        found = receiving.finish(status)
        sending.finish()
        return found

    def isend(self, obj: Any, dest: int, tag: int = 0) -> TaskRequest:
        """Begin to send a pickled copy."""
        return self._isend(b"" if dest == MPI.PROC_NULL else pickle.dumps(obj, 5), dest, tag)

    def irecv(
        self,
        buf: Any = None,  # noqa: ARG002 - as in recv
        source: int = MPI.ANY_SOURCE,
        tag: int = MPI.ANY_TAG,
    ) -> TaskRequest:
        """Begin to receive an object, which the request's ``wait`` returns."""
        if source == MPI.PROC_NULL:
            return TaskRequest(self)
        return post(TaskRequest(self, wanted=self._wanted(source, tag), is_object=True))

    # --- all of them together

    def Barrier(self) -> None:
        """Wait until all have called it."""
        collectives.barrier(self)

    barrier = Barrier

    def bcast(self, obj: Any, root: int = 0) -> Any:
        """Return what rank ``root`` gives."""
        return collectives.bcast(self, obj, root)

    def Bcast(self, buf: Any, root: int = 0) -> None:
        """Copy the array of rank ``root`` into that of all others."""
        collectives.bcast_array(self, buf, root)

    def reduce(self, sendobj: Any, op: Op = MPI.SUM, root: int = 0) -> Any:
        """Return all objects combined on rank ``root``, None elsewhere."""
        return collectives.reduce(self, sendobj, op, root)

    def Reduce(self, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM, root: int = 0) -> None:
        """Combine arrays, item by item, into ``recvbuf`` on rank ``root``."""
        collectives.reduce_array(self, sendbuf, recvbuf, op, root)

    def allreduce(self, sendobj: Any, op: Op = MPI.SUM) -> Any:
        """Return all objects combined."""
        return collectives.bcast(self, collectives.reduce(self, sendobj, op, 0), 0)

    def Allreduce(self, sendbuf: Any, recvbuf: Any, op: MPI.Op = MPI.SUM) -> None:
        """Combine arrays, item by item, into ``recvbuf``."""
        collectives.allreduce_array(self, sendbuf, recvbuf, op)

    def gather(self, sendobj: Any, root: int = 0) -> list[Any] | None:
        """Return the objects of all by rank on rank ``root``, None elsewhere."""
        return collectives.gather(self, sendobj, root)

    def allgather(self, sendobj: Any) -> list[Any]:
        """Return the objects of all by rank."""
        return collectives.allgather(self, sendobj)

    def scatter(self, sendobj: Iterable[Any] | None, root: int = 0) -> Any:
        """Return of the objects that rank ``root`` gives the one of this rank."""
        return collectives.scatter(self, sendobj, root)

    def alltoall(self, sendobj: Iterable[Any]) -> list[Any]:
        """Return what each rank gives to this one, by rank."""
        return collectives.alltoall(self, sendobj)

    # --- what requests and collectives call

    @property
    def members(self) -> Sequence[int]:
        """Ids of the tasks by rank."""
        return self._members

    @property
    def collective(self) -> int:
        """The context of messages of collectives."""
        return self._context + 1

    def rank_of(self, task: int) -> int:
        """The rank of a task of it."""
        return self._members.index(task)

    def describe(self, wanted: Receive) -> str:
        """What is awaited, for people."""
        whose = "any rank" if wanted.source is None else f"rank {self.rank_of(wanted.source)}"
        if wanted.context == self.collective:
            return f"{whose} in {collectives.name_of(wanted.tag)}"
        return (
            f"a message of {whose} with {'any tag' if wanted.tag is None else f'tag {wanted.tag}'}"
        )

    def task_of(self, what: str, rank: int) -> int:
        """The id of a rank's task. Raises MigrationError: there is no such rank."""
        rank = operator.index(rank)
        if not 0 <= rank < self.size:
            raise MigrationError(f"{what}={rank}: ranks of this TaskComm are 0 to {self.size - 1}")
        return self._members[rank]

    def _isend(self, data: bytes, dest: int, tag: int) -> TaskRequest:
        if dest == MPI.PROC_NULL:
            return TaskRequest(self)
        tag = operator.index(tag)
        if not 0 <= tag <= LARGEST:
            raise MigrationError(f"tag={tag}: tags are 0 to 2**63 - 1")
        self._refuse_others(running.resident("a TaskComm").luggage.id)
        return TaskRequest(
            self, dest=post_bytes(data, self.task_of("dest", dest), tag, self._context)
        )

    def _refuse_others(self, task: int) -> None:
        if task not in self._members:
            raise MigrationError(f"task {task} is none of the {self.size} tasks of this TaskComm")

    def _wanted(self, source: int, tag: int) -> Receive:
        tag = operator.index(tag)
        if not 0 <= tag <= LARGEST and tag != MPI.ANY_TAG:
            raise MigrationError(f"tag={tag}: tags are 0 to 2**63 - 1, or MPI.ANY_TAG")
        task = None if source == MPI.ANY_SOURCE else self.task_of("source", source)
        return Receive(task, None if tag == MPI.ANY_TAG else tag, self._context, is_object=False)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskComm) and other._context == self._context

    def __hash__(self) -> int:
        return hash((TaskComm, self._context))

    def __reduce__(self) -> tuple[type[TaskComm], tuple[int, Sequence[int]]]:
        return type(self), (self._context, self._members)

    def __repr__(self) -> str:
        return f"<TaskComm of {counted(self.size, 'task')}>"
