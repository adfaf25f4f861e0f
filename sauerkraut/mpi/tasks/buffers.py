"""Buffers as mpi4py takes them: an array, ``[array, datatype]`` or ``[array, count, datatype]``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from mpi4py import MPI

from sauerkraut.errors import MigrationError
from sauerkraut.wording import counted


@dataclass(frozen=True, slots=True)
class Place:
    """Memory, and what lies there; never kept while a task waits."""

    memory: memoryview
    """All of it, as bytes."""
    count: int
    datatype: MPI.Datatype

    @property
    def nbytes(self) -> int:
        """Bytes of the items without gaps between them: those of a message."""
        return self.count * self.datatype.Get_size()

    @property
    def _span(self) -> int:
        return self.count * self.datatype.Get_extent()[1]

    @property
    def _is_dense(self) -> bool:
        return self.datatype.is_predefined and self._span == self.nbytes

    def read(self) -> bytes:
        """A copy of the items."""
        if self._is_dense:
            return bytes(self.memory[: self.nbytes])
        packed = bytearray(self.datatype.Pack_size(self.count, MPI.COMM_SELF))
        end = self.datatype.Pack(self._padded(), packed, 0, MPI.COMM_SELF)
        return bytes(packed[:end])

    def write(self, data: bytes) -> None:
        """Put items there, as many as there are."""
        if self._is_dense:
            self.memory[: len(data)] = data
            return
        whole = self._padded()
        items = len(data) // max(1, self.datatype.Get_size())
        part = memoryview(whole)[: items * self.datatype.Get_extent()[1]]
        self.datatype.Unpack(data, 0, part, MPI.COMM_SELF)
        if whole is not self.memory:
            self.memory[:] = memoryview(whole)[: self.memory.nbytes]

    def __str__(self) -> str:
        return f"{counted(self.count, 'item')} of {self.datatype.name}"

    def _padded(self) -> Any:
        """The memory, which ends with the last item's last byte, up to its whole extent."""
        missing = self._span - self.memory.nbytes
        return self.memory if missing <= 0 else bytearray(self.memory) + bytes(missing)


def place_of(spec: Any, *, writable: bool = False) -> Place:
    """The memory that ``spec`` describes.

    Raises:
        MigrationError: it is no such description, or names more items than there are.
        BufferError: it is not contiguous, or read-only where it is written to.
    """
    data, count, datatype = _parts(spec)
    raw: Any = MPI.buffer.frombuffer(data, readonly=not writable)
    memory = memoryview(raw)
    if datatype is None:
        datatype = _datatype_of(data)
    elif isinstance(datatype, str):
        datatype = MPI.Datatype.fromcode(datatype)
    extent = datatype.Get_extent()[1]
    if count is None:
        count = memory.nbytes // extent if extent else 0
    lower, true = datatype.Get_true_extent()
    needed = (count - 1) * extent + lower + true if count else 0
    if count < 0 or needed > memory.nbytes:
        raise MigrationError(
            f"{count} items that take {needed} bytes are not in a buffer of {memory.nbytes} bytes"
        )
    return Place(memory, count, datatype)


def laid_out(data: bytes, datatype: MPI.Datatype) -> Place:
    """Items that `Place.read` has copied, in memory of their own, with gaps where there are some.

    A pair of a double and an int (``MPI.DOUBLE_INT``) has one.
    """
    count = len(data) // max(1, datatype.Get_size())
    place = Place(memoryview(bytearray(count * datatype.Get_extent()[1])), count, datatype)
    place.write(data)
    return place


def _parts(spec: Any) -> tuple[Any, int | None, Any]:
    if not isinstance(spec, (list, tuple)):
        return spec, None, None
    match spec:
        case [data, int() as count]:
            return data, count, None
        case [data, (MPI.Datatype() | str()) as datatype]:
            return data, None, datatype
        case [data, (int() | None) as count, (MPI.Datatype() | str()) as datatype]:
            return data, count, datatype
    raise MigrationError(
        f"a buffer is an array, [array, datatype] or [array, count, datatype], not {spec!r:.80}"
    )


def _datatype_of(data: Any) -> MPI.Datatype:
    dtype = getattr(data, "dtype", None)
    if getattr(dtype, "hasobject", False):
        raise MigrationError(
            f"an array of {dtype} holds addresses of objects, which mean nothing elsewhere: "
            "send it with the method in lower case"
        )
    code = memoryview(data).format if dtype is None else dtype.char
    try:
        return MPI.Datatype.fromcode(code)
    except ValueError:  # a structure: as bytes
        return MPI.BYTE
