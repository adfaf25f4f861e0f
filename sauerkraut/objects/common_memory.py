"""Memory that captured objects share without knowing of each other: found by its address.

An array over a ctypes object, a capsule of DLPack or whatever has an ``__array_interface__`` says
what it borrows from, not who owns the bytes. Once the graph is written its owners are known, and
such arrays are written again as views of them. Imported only in programs that have arrays.
"""

from __future__ import annotations

import array
import gc
import io
import mmap
import sys
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np

from sauerkraut.errors import CaptureError
from sauerkraut.objects.arrays import Memory, Restored, extent_of, root_of
from sauerkraut.objects.freezing import Freezing, describe

_KNOWN = (np.ndarray, Restored, mmap.mmap, bytearray, bytes, array.array)
"""Owners of memory that arrays over it find by themselves."""
_BytesIOBuffer: type = type(io.BytesIO().getbuffer().obj)


def borrows(freezing: Freezing) -> bool:
    """Whether an array borrows memory whose owner is not known."""
    return any(not isinstance(memory.owner, _KNOWN) for memory in freezing.memories.values())


def owners(freezing: Freezing, captured: Iterable[object]) -> dict[int, object]:
    """What arrays are views of, by the id of what they say they borrow from.

    Args:
        freezing: What was found while the graph was written.
        captured: Every object of the graph, also those written by name.

    Returns:
        Captured objects; where none has the memory, the `Memory` that overlaps it.

    Raises:
        CaptureError: an array has memory in common with something else in the graph, and nothing
            can be made that has so again.
    """
    by_id = {id(obj): obj for obj in captured}
    extents = _extents(by_id.values(), freezing)
    found: dict[int, object] = {}
    rest: list[Memory] = []
    for memory in freezing.memories.values():
        if isinstance(memory.owner, _KNOWN):
            continue
        if (owner := _owner_of(memory, by_id, extents)) is not None:
            found[id(memory.owner)] = owner
        elif id(memory.owner) in by_id and not _is_shared(memory.owner, freezing):
            raise CaptureError(
                f"{describe(type(memory.owner))} and an array over its memory ({memory.path}) "
                "would come back apart; keep one of them, or a copy of the array"
            )
        else:
            rest.append(memory)
    return found | _overlapping(rest)


def _is_shared(owner: Any, freezing: Freezing) -> bool:
    """Whether a captured owner shares its memory by itself, or nobody can tell: it is constant."""
    if freezing.handles is not None and freezing.handles.takes(owner):
        return True  # its bytes are written as an array
    try:
        with memoryview(owner) as buffer:
            return buffer.readonly
    except TypeError:
        return False


def _owner_of(
    memory: Memory, captured: dict[int, object], extents: list[tuple[int, int, object]]
) -> object | None:
    if type(memory.owner) is _BytesIOBuffer:
        held = gc.get_referents(memory.owner)  # from 3.12 on its class is among them
        return next(
            (each for each in held if id(each) in captured and isinstance(each, io.BytesIO)), None
        )
    for low, high, owner in extents:
        if memory.high <= low or high <= memory.low:
            continue
        if low <= memory.low and memory.high <= high and not isinstance(owner, mmap.mmap):
            return owner
        raise CaptureError(
            f"an array ({memory.path}) has memory in common with {describe(type(owner))}, which "
            "is captured as well, and would come back apart from it; copy one of them"
        )
    return None


def _extents(captured: Collection[object], freezing: Freezing) -> list[tuple[int, int, object]]:
    """(first address, the one after the last, owner) of memory, the largest first."""
    ctypes: Any = sys.modules.get("ctypes")
    exporters = (bytearray, array.array, *((ctypes.Array.__base__,) if ctypes else ()))
    found = [memory.owner for memory in freezing.memories.values()]
    for obj in captured:
        if isinstance(obj, np.ndarray):
            root, base = root_of(obj)
            found.append(root if base is None else base)
    known = {id(owner): owner for owner in found if isinstance(owner, _KNOWN)}
    known |= {id(obj): obj for obj in captured if isinstance(obj, exporters)}
    extents = [(*extent_of(owner), owner) for owner in known.values()]
    return sorted(extents, key=lambda extent: extent[0] - extent[1])


def _overlapping(borrowed: list[Memory]) -> dict[int, object]:
    """The first of several that overlap, by the id of what the others borrow from."""
    found: dict[int, object] = {}
    first: Memory | None = None
    end = 0
    for memory in sorted(borrowed, key=lambda each: each.low):
        if first is not None and memory.low < end:
            found[id(memory.owner)] = first
        else:
            first = memory
        end = max(end, memory.high)
    return found
