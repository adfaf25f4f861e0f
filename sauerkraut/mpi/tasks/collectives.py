"""The collectives of a `TaskComm`, made of messages between two.

A reduction combines neighbouring ranks first, the lower one on the left, then neighbouring pairs,
and so on: which bits come out depends on the size alone, not on where tasks are.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mpi4py import MPI

from sauerkraut.errors import MigrationError
from sauerkraut.mpi.tasks.buffers import laid_out, place_of
from sauerkraut.mpi.tasks.requests import TaskRequest, post, post_bytes
from sauerkraut.mpi.tasks.task import Receive
from sauerkraut.wording import counted

if TYPE_CHECKING:
    from sauerkraut.mpi.tasks.comm import TaskComm

_NAMES = ("a broadcast", "a reduction", "a gather", "a scatter", "an all-to-all")
_BROADCAST, _REDUCTION, _GATHER, _SCATTER, _ALL_TO_ALL = range(len(_NAMES))


@dataclass(frozen=True, slots=True)
class _Nothing:
    """Combines what has no content."""

    def __call__(self, lower: bytes, _: bytes) -> bytes:
        return lower


@dataclass(frozen=True, slots=True)
class _Objects:
    """Combines pickled objects; travels with a task that waits in a reduction."""

    op: Callable[[Any, Any], Any]

    def __call__(self, lower: bytes, higher: bytes) -> bytes:
        return pickle.dumps(self.op(pickle.loads(lower), pickle.loads(higher)), 5)


@dataclass(frozen=True, slots=True)
class _Arrays:
    """Combines arrays; travels with a task that waits in a reduction."""

    op: MPI.Op
    datatype: MPI.Datatype

    def __call__(self, lower: bytes, higher: bytes) -> bytes:
        if len(lower) != len(higher):
            raise MigrationError(
                f"a reduction of {len(lower)} bytes and, on a higher rank, of {len(higher)} bytes"
            )
        first, total = laid_out(lower, self.datatype), laid_out(higher, self.datatype)
        items = total.count, self.datatype
        self.op.Reduce_local([first.memory, *items], [total.memory, *items])
        return total.read()


def name_of(tag: int | None) -> str:
    """What is awaited with this tag, for people."""
    return "a collective" if tag is None else _NAMES[tag]


def barrier(comm: TaskComm) -> None:
    """See `TaskComm.Barrier`."""
    _broadcast(comm, _combine(comm, b"", _Nothing()) or b"", 0)


def bcast(comm: TaskComm, value: Any, root: int) -> Any:
    """See `TaskComm.bcast`."""
    if comm.rank == root:
        _broadcast(comm, pickle.dumps(value, 5), root)
        return value
    return pickle.loads(_broadcast(comm, b"", root))


def bcast_array(comm: TaskComm, buffer: Any, root: int) -> None:
    """See `TaskComm.Bcast`."""
    if comm.rank == root:
        _broadcast(comm, place_of(buffer).read(), root)
    else:
        _fill(buffer, _broadcast(comm, b"", root), root)


def reduce(comm: TaskComm, value: Any, op: Callable[[Any, Any], Any], root: int) -> Any:
    """See `TaskComm.reduce`."""
    found = _to_root(comm, _combine(comm, pickle.dumps(value, 5), _Objects(op)), root)
    return None if found is None else pickle.loads(found)


def reduce_array(comm: TaskComm, sent: Any, received: Any, op: MPI.Op, root: int) -> None:
    """See `TaskComm.Reduce`."""
    data, combine = _items(sent, received if comm.rank == root else None, op)
    found = _to_root(comm, _combine(comm, data, combine), root)
    if found is not None:
        _fill(received, found, root)


def allreduce_array(comm: TaskComm, sent: Any, received: Any, op: MPI.Op) -> None:
    """See `TaskComm.Allreduce`."""
    found = _combine(comm, *_items(sent, received, op))
    _fill(received, _broadcast(comm, found or b"", 0), 0)


def gather(comm: TaskComm, value: Any, root: int) -> list[Any] | None:
    """See `TaskComm.gather`."""
    comm.task_of("root", root)
    if comm.rank != root:
        _send(comm, pickle.dumps(value, 5), root, _GATHER)
        return None
    coming = [None if rank == root else _begin(comm, rank, _GATHER) for rank in range(comm.size)]
    return [value if each is None else pickle.loads(each.finish()) for each in coming]


def allgather(comm: TaskComm, value: Any) -> list[Any]:
    """See `TaskComm.allgather`."""
    found: list[Any] = bcast(comm, gather(comm, value, 0), 0)
    return found


def scatter(comm: TaskComm, values: Iterable[Any] | None, root: int) -> Any:
    """See `TaskComm.scatter`."""
    comm.task_of("root", root)
    if comm.rank != root:
        return pickle.loads(_begin(comm, root, _SCATTER).finish())
    each = _one_each(comm, values)
    for rank in range(comm.size):
        if rank != root:
            _send(comm, pickle.dumps(each[rank], 5), rank, _SCATTER)
    return each[root]


def alltoall(comm: TaskComm, values: Iterable[Any]) -> list[Any]:
    """See `TaskComm.alltoall`."""
    sent = _one_each(comm, values)
    coming = [_begin(comm, rank, _ALL_TO_ALL) for rank in range(comm.size)]
    for rank in range(comm.size):
        _send(comm, pickle.dumps(sent[rank], 5), rank, _ALL_TO_ALL)
    return [pickle.loads(each.finish()) for each in coming]


def _items(sent: Any, received: Any, op: MPI.Op) -> tuple[bytes, _Arrays]:
    """What to combine, and how; ``received`` is None where nothing is.

    Raises:
        MigrationError: both are of different types, or not as long.
    """
    if isinstance(sent, MPI.InPlaceType):
        sent = received
    place = place_of(sent)
    if received is not None:
        other = place_of(received)
        if (other.datatype, other.count) != (place.datatype, place.count):
            raise MigrationError(f"a reduction of {place} into {other}")
    return place.read(), _Arrays(op, place.datatype)


def _combine(comm: TaskComm, data: bytes, op: Callable[[bytes, bytes], bytes]) -> bytes | None:
    """All of them combined on rank 0, None elsewhere."""
    rank, size, step = comm.rank, comm.size, 1
    while step < size:
        if rank & step:
            _send(comm, data, rank - step, _REDUCTION)
            return None
        if rank + step < size:
            data = op(data, _begin(comm, rank + step, _REDUCTION).finish())
        step *= 2
    return data


def _to_root(comm: TaskComm, data: bytes | None, root: int) -> bytes | None:
    """What rank 0 has, on rank ``root``; None elsewhere."""
    comm.task_of("root", root)
    if root == 0:
        return data
    if data is not None:
        _send(comm, data, root, _REDUCTION)
        return None
    found: bytes | None = _begin(comm, 0, _REDUCTION).finish() if comm.rank == root else None
    return found


def _broadcast(comm: TaskComm, data: bytes, root: int) -> bytes:
    """What rank ``root`` has, on all."""
    comm.task_of("root", root)
    size, step = comm.size, 1
    place = (comm.rank - root) % size
    while step < size:
        if place & step:
            data = _begin(comm, (place - step + root) % size, _BROADCAST).finish()
            break
        step *= 2
    while step > 1:
        step //= 2
        if place + step < size:
            _send(comm, data, (place + step + root) % size, _BROADCAST)
    return data


def _send(comm: TaskComm, data: bytes, rank: int, tag: int) -> None:
    room = post_bytes(data, comm.task_of("root", rank), tag, comm.collective)
    TaskRequest(comm, dest=room).finish()


def _begin(comm: TaskComm, rank: int, tag: int) -> TaskRequest:
    """Begin to receive bytes."""
    wanted = Receive(comm.task_of("root", rank), tag, comm.collective, is_object=False)
    return post(TaskRequest(comm, wanted=wanted))


def _fill(buffer: Any, data: bytes, root: int) -> None:
    place = place_of(buffer, writable=True)
    if len(data) > place.nbytes:
        raise MigrationError(
            f"the {len(data)} bytes of a collective with root {root} are more than the "
            f"{place.nbytes} bytes of the buffer here"
        )
    place.write(data)


def _one_each(comm: TaskComm, values: Iterable[Any] | None) -> Sequence[Any]:
    given = None if values is None else list(values)
    if given is None or len(given) != comm.size:
        many = "nothing" if given is None else counted(len(given), "object")
        raise MigrationError(f"{many} for {counted(comm.size, 'rank')}: give one for each")
    return given
