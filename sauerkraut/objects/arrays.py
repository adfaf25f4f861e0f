"""NumPy arrays as views of memory: what shares memory shares it again after a restart.

A memory is the root owner of the bytes: the last array on the base chain, or what that array
borrows from. Every array is (memory, byte offset, dtype, shape, strides, flags, class).
Imported only in programs that imported numpy.
"""

from __future__ import annotations

import array
import io
from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np

from sauerkraut._native import Memory as OwnMemory
from sauerkraut._native import address_of
from sauerkraut.errors import CaptureError
from sauerkraut.objects import memory_maps, thawing
from sauerkraut.objects.freezing import Freezing, Reduced, Shell, reduces, refuse, same
from sauerkraut.objects.state import ArrayState

ALIGNMENT = 64
"""Bytes that restored memory is aligned to."""

Array = np.ndarray[Any, Any]


class Memory:
    """One root owner and the bytes of it that arrays of the graph use.

    Attributes:
        address: of the owner's first byte.
        low, high: addresses of the first byte used and after the last.
        dtype, shape: what the memory looks like to a person, in the order of its bytes.
        path: how a person finds an array that uses it.
    """

    def __init__(self, owner: object, address: int, shell: Shell, index: int) -> None:
        self.owner = owner
        self.address = address
        self.low = self.high = address
        self.shell = shell
        self.index = index
        self.path = f"array {index}"
        self._look: tuple[int, str, tuple[int, ...]] = (0, "|u1", ())

    def use(self, array: Array, low: int, high: int, path: str | None) -> None:
        """Note that ``array`` needs the bytes from address ``low`` to ``high``."""
        if self.low == self.high:
            self.low, self.high = low, high
        else:
            self.low, self.high = min(self.low, low), max(self.high, high)
        if path is not None and self.path.startswith("array "):
            self.path = path
        if high - low > self._look[0] and array.nbytes == high - low and _is_plain(array.dtype):
            shape = tuple(n for n, _ in _in_memory_order(array))
            self._look = (high - low, array.dtype.str, shape)

    @property
    def nbytes(self) -> int:
        """Bytes that are stored."""
        return self.high - self.low

    def look(self) -> tuple[str, tuple[int, ...]]:
        """(dtype, shape) of the stored bytes as a dataset."""
        nbytes, dtype, shape = self._look
        return (dtype, shape) if nbytes == self.nbytes else ("|u1", (self.nbytes,))

    def bytes(self) -> Array:
        """The stored bytes themselves, without a copy; keeps the owner alive."""
        return np.asarray(Bytes(self.owner, self.low, self.nbytes))


class Bytes:
    """Bytes at an address, by the array interface: works for every owner."""

    def __init__(self, owner: object, address: int, nbytes: int) -> None:
        self.owner = owner
        self.low, self.high = address, address + nbytes
        self.__array_interface__ = {
            "data": (address, False),
            "shape": (nbytes,),
            "typestr": "|u1",
            "version": 3,
        }


class Restored(Bytes):
    """Memory of ours that came back: nothing but arrays over this looks at it by itself."""


@reduces(Bytes, Restored)
def _reduce_bytes(memory: Bytes, _: Freezing) -> Reduced:
    return (owner_of, (np.asarray(memory),))


def owner_of(value: Array) -> object:
    """The last one on the base chain of an array."""
    root, base = root_of(value)
    return root if base is None else base


def _is_plain(dtype: np.dtype[Any]) -> bool:
    return dtype.kind in "iufc" and dtype.itemsize in (1, 2, 4, 8, 16) and dtype.str[1:] != "f16"


def _in_memory_order(array: Array) -> list[tuple[int, int]]:
    """(length, stride) of each axis, the slowest in memory first."""
    axes = zip(array.shape, array.strides, strict=True)
    return sorted(axes, key=lambda axis: (-abs(axis[1]), axis[0]))


def bounds_of(array: Array) -> tuple[int, int]:
    """Addresses of the first byte an array uses and after the last."""
    low = high = array.__array_interface__["data"][0]
    if array.size == 0:
        return low, low
    for length, stride in zip(array.shape, array.strides, strict=True):
        if stride < 0:
            low += (length - 1) * stride
        else:
            high += (length - 1) * stride
    return low, high + array.itemsize


def extent_of(owner: Any) -> tuple[int, int]:
    """Addresses of the first byte that an owner of memory has and after the last."""
    if isinstance(owner, np.ndarray):
        return bounds_of(owner)
    if isinstance(owner, Restored):
        return owner.low, owner.high
    with owner.getbuffer() if isinstance(owner, io.BytesIO) else memoryview(owner) as buffer:
        low = address_of(buffer)
        return low, low + buffer.nbytes


def root_of(value: Array) -> tuple[Array, object]:
    """The last array on the base chain, and what it borrows from (None: it owns its bytes)."""
    root = value
    base: Any = value.base
    while base is not None:
        if isinstance(base, np.ndarray):
            root, base = base, base.base
        elif isinstance(base, memoryview):
            base = base.obj
        elif type(base).__name__ == "DummyArray":  # of numpy.lib.stride_tricks
            base = base.base
        else:
            break
    if type(base) is bytes and root.flags.writeable:
        base = None  # NumPy's own unpickling writes over the bytes that it read
    return root, base


@reduces(np.ndarray)
def reduce_array(value: Array, freezing: Freezing) -> Reduced:
    """One array: whole in the stream when small and its own owner, else a view of a memory."""
    root, base = root_of(value)
    if base is not None and freezing.handles is not None:
        root, base = freezing.handles.owner_of(root, base)
    if base is not None and (owner := freezing.owners.get(id(base))) is not None:
        if isinstance(owner, np.ndarray):
            root, base = owner, None
        elif isinstance(owner, Memory):
            base = owner.owner
        elif isinstance(owner, Restored):
            base = owner
        else:
            return (view, (owner, *description_of(value, extent_of(owner)[0])))
    if value.dtype.hasobject or root.dtype.hasobject:
        return _reduce_object_array(value, root)
    if id(root) in freezing.anchored:
        return (view, (root, *description_of(value, bounds_of(root)[0])))
    if base is None and root.nbytes <= freezing.threshold and _is_whole(root):
        if value is root:
            return _in_stream(value)
        return (view, (root, *description_of(value, bounds_of(root)[0])))
    if isinstance(root, np.memmap) and root.mode != "c":
        return memory_maps.reduce_mapped(value, root, freezing)
    if isinstance(base, (bytearray, bytes, array.array)):
        return (view, (base, *description_of(value, extent_of(base)[0])))
    return view_of_memory(value, memory_of(root, base, freezing), freezing)


def view_of_memory(value: Array, memory: Memory, freezing: Freezing) -> Reduced:
    """Write ``value`` as a view of ``memory``, whose bytes it now uses."""
    low, high = bounds_of(value)
    memory.use(value, low, high, freezing.name_of(id(value)))
    return (view, (memory.shell, *description_of(value, memory.address)))


@reduces(ArrayState)
def _reduce_state(state: ArrayState, freezing: Freezing) -> Reduced:
    value = state.array.view(np.ndarray)
    if value.dtype.hasobject:
        return (same, (value.copy(),))
    # Not through `reduce_array`: the array or its root may be anchored, its contents are not.
    root, base = root_of(state.array)
    if id(base) in freezing.owners:
        raise refuse(
            state.array,
            "it is an argument of run over memory that another captured object has as well, and "
            "would come back apart from it; pass a copy",
        )
    return view_of_memory(value, memory_of(root, base, freezing), freezing)


def _is_whole(root: Array) -> bool:
    """Whether shape and order tell the layout of an owner."""
    return type(root) is np.ndarray and (root.flags.c_contiguous or root.flags.f_contiguous)


NUMBERS = {
    id(dtype): dtype.str if np.dtype(dtype.str) is dtype else dtype.char  # `long long` is another
    for dtype in map(np.dtype, ("?", *"bhilqBHILQfdFD"))
}
"""Names of those dtypes that are one object in every process, by their ids."""


def _in_stream(value: Array) -> Reduced:
    flags = value.flags
    order: Literal["C", "F"] = "C" if flags.c_contiguous else "F"
    dtype = value.dtype
    told = NUMBERS.get(id(dtype), dtype)
    return (small, (value.tobytes(order), told, value.shape, order, flags.writeable))


def small(
    data: bytes, dtype: np.dtype[Any] | str, shape: tuple[int, ...], order: Any, writeable: bool
) -> Array:
    """An array that owns its bytes."""
    made: Array = np.ndarray(shape, dtype, data, order=order).copy(order)
    made.flags.writeable = writeable
    return made


def _objects_in_stream(value: Array) -> Reduced:
    # NumPy's own pickling: an empty array, then its elements, which may lead back to it.
    make, arguments, state = cast("tuple[Any, ...]", value.__reduce__())
    if value.flags.writeable:
        return (make, arguments, state)
    return (make, arguments, state, None, None, set_read_only)


def set_read_only(value: Array, state: tuple[Any, ...]) -> None:
    """Give a read-only array its elements."""
    value.__setstate__(state)
    value.flags.writeable = False


def memory_of(root: Array, base: object, freezing: Freezing) -> Memory:
    """The memory that ``root`` owns or borrows from ``base``, noted once per graph."""
    owner = root if base is None else base
    memory = freezing.memories.get(id(owner))
    if memory is None:
        index = len(freezing.memories)
        # Without an owner that knows its extent, offsets count from address 0.
        address = bounds_of(root)[0] if base is None else 0
        shell = Shell(memory_at, (index,))
        memory = freezing.memories[id(owner)] = Memory(owner, address, shell, index)
    return memory


def description_of(value: Array, start: int) -> tuple[Any, ...]:
    """(offset, dtype, shape, strides, writeable) of an array in memory that begins at ``start``."""
    address = value.__array_interface__["data"][0]
    flags, dtype = value.flags, value.dtype
    # Along an axis of one element any number does.
    strides = None if flags.c_contiguous and 1 not in value.shape else value.strides
    offset = address - start if value.size else 0
    return (offset, NUMBERS.get(id(dtype), dtype), value.shape, strides, flags.writeable)


def _reduce_object_array(value: Array, root: Array) -> Reduced:
    if value is root:
        return _objects_in_stream(value)
    if value.dtype.kind == "T":  # strided views of it cannot be made
        raise CaptureError("a view of an array of StringDType cannot be captured; copy it")
    offset, dtype, shape, _, writeable = description_of(value, bounds_of(root)[0])
    if type(root) is not np.ndarray or dtype != root.dtype or offset % root.itemsize:
        raise CaptureError(
            "a view of an object array under another dtype cannot be captured; copy it"
        )
    return (view_objects, (root, offset // root.itemsize, shape, value.strides, writeable))


def memory_at(index: int) -> tuple[Array, int]:
    """Restored bytes and the offset, in the original owner, of the first."""
    return thawing.current().memories[index]


def view(
    owner: Any,
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None,
    writeable: bool,
) -> Array:
    """An array over the bytes of an owner: restored memory, another array, or an exporter."""
    if isinstance(owner, tuple):
        owner, first = owner
        offset -= first
    elif isinstance(owner, io.BytesIO):
        owner = owner.getbuffer()
    elif isinstance(owner, np.ndarray):
        owner = flat_bytes(owner)
    if 0 in shape:
        offset, strides = 0, None
    made: Array = np.ndarray(shape, dtype, owner, offset, strides)
    if made.flags.writeable and not writeable:
        made.flags.writeable = False
    return made


def flat_bytes(owner: Array) -> Array:
    """The bytes of an array whose axes fill its memory in some order, in that order."""
    order = sorted(range(owner.ndim), key=lambda axis: (-owner.strides[axis], owner.shape[axis]))
    return owner.transpose(order).reshape(-1).view(np.uint8)


def view_objects(
    owner: Array, first: int, shape: tuple[int, ...], strides: tuple[int, ...], writeable: bool
) -> Array:
    """A view of an array of objects, whose bytes nobody may look at."""
    order = sorted(range(owner.ndim), key=lambda axis: (-owner.strides[axis], owner.shape[axis]))
    flat = owner.transpose(order).reshape(-1)
    return np.lib.stride_tricks.as_strided(flat[first:], shape, strides, writeable=writeable)


@reduces(np.flatiter)
def _reduce_flat(iterator: Any, _: Freezing) -> Reduced:
    return (flat_after, (iterator.base, iterator.index))


def flat_after(value: Array, done: int) -> Any:
    """``value.flat`` after ``done`` steps."""
    iterator = value.flat
    for _ in range(done):
        next(iterator)
    return iterator


@reduces(np.broadcast)
def _reduce_broadcast(iterator: Any, _: Freezing) -> Reduced:
    return (broadcast_after, (tuple(each.base for each in iterator.iters), iterator.index))


def broadcast_after(operands: tuple[Array, ...], done: int) -> Any:
    """``numpy.broadcast`` of arrays after ``done`` steps."""
    iterator = np.broadcast(*operands)
    for _ in range(done):
        next(iterator)
    return iterator


def memories_from(
    table: Sequence[tuple[int, int, bytes | None]], blocks: Sequence[Any]
) -> list[tuple[Any, int]]:
    """Memory for each entry (first offset, length, bytes in the stream or None) of a table.

    A block that is writable and aligned is used as it is, others are copied.
    """
    given = iter(blocks)
    memories: list[tuple[Any, int]] = []
    for first, length, inline in table:
        source = np.frombuffer(next(given) if inline is None else inline, np.uint8)
        if source.nbytes != length:
            raise ValueError(f"a block has {source.nbytes} bytes, not {length}")
        if source.flags.writeable and address_of(source.data) % ALIGNMENT == 0:
            # Not the source itself: its owner may be of a kind that stays in the stream. It may be
            # a buffer of the program's, too, which others look at.
            kind = Restored if isinstance(owner_of(source), OwnMemory) else Bytes
            memory = np.asarray(kind(source, address_of(source.data), length))
        else:
            memory = aligned_copy(source)
        memories.append((memory, first))
    return memories


def aligned_copy(source: Array) -> Array:
    """The same bytes in new, aligned, writable memory."""
    room = np.empty(source.nbytes + ALIGNMENT, np.uint8)
    skip = -address_of(room.data) % ALIGNMENT
    copy = room[skip : skip + source.nbytes]
    copy[:] = source
    return copy
