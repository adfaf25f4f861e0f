"""numpy.memmap: read-only ones by path, private ones by value, shared ones written back."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np

from sauerkraut.errors import ResumeError
from sauerkraut.objects import arrays, thawing
from sauerkraut.objects.freezing import Freezing, Reduced, Shell, reduces, refuse

Array = np.ndarray[Any, Any]


@reduces(np.memmap)
def _reduce_memmap(value: Any, freezing: Freezing) -> Reduced:
    root, base = arrays.root_of(value)
    if isinstance(base, mmap.mmap) and value._mmap is base and value.mode != "c":
        return reduce_mapped(value, root, freezing)
    # The result of an operation, or a private mapping: bytes like any others.
    ordinary = np.ndarray(value.shape, value.dtype, value, 0, value.strides)
    ordinary.flags.writeable = value.flags.writeable
    return (private, (ordinary,))


def private(value: Array) -> Any:
    """A memmap that maps nothing."""
    return value.view(np.memmap)


def reduce_mapped(value: Any, root: Any, freezing: Freezing) -> Reduced:
    """Write an array over the mapping of ``root``, a memmap, as a view of the same file."""
    mapping: mmap.mmap = root._mmap
    if root.filename is None:
        raise refuse(root, "it maps a file without a name; copy it to an array")
    path = str(Path(root.filename).absolute())
    start = root.offset - root.offset % mmap.ALLOCATIONGRANULARITY
    # Not np.frombuffer of an empty mapping: there is none.
    address = np.frombuffer(mapping, np.uint8).__array_interface__["data"][0]
    facts = (path, root.mode, start, len(mapping))
    if root.mode == "r":
        status = Path(path).stat()
        unchanged = (status.st_size, status.st_mtime_ns)
        shell = freezing.shell_of(mapping, open_unchanged, *facts, *unchanged)
    else:
        memory = freezing.memories.get(id(mapping))
        if memory is None:
            index = len(freezing.memories)
            of_bytes = Shell(arrays.memory_at, (index,))
            memory = arrays.Memory(mapping, address, of_bytes, index)
            freezing.memories[id(mapping)] = memory
        memory.use(value, *arrays.bounds_of(value), freezing.name_of(id(value)))
        shell = freezing.shell_of(mapping, open_to_write, *facts, memory.shell)
    is_map = isinstance(value, np.memmap)
    own = (value.filename, value.offset, value.mode) if is_map else None
    return (view_mapped, (shell, own, *arrays.description_of(value, address)))


def open_unchanged(path: str, mode: Any, start: int, length: int, size: int, mtime_ns: int) -> Any:
    """A read-only mapping of a file that must be as it was; all its bytes."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise ResumeError(f"the file {path} was mapped: {error}") from error
    thawing.current().compare(f"{path}, mapped for reading,", status, size, mtime_ns)
    return np.memmap(path, np.uint8, mode, start, (length,))


def open_to_write(
    path: str, _mode: str, start: int, length: int, contents: tuple[Array, int]
) -> Any:
    """A shared mapping; the bytes the program used are written back when all is read."""
    try:
        size = Path(path).stat().st_size
        thawing.refuse_shorter(f"{path}, mapped for writing,", size, start + length)
        mapping = np.memmap(path, np.uint8, "r+", start, (length,))
    except OSError as error:
        raise ResumeError(f"the file {path} was mapped for writing: {error}") from error
    data, first = contents

    def write_back() -> None:
        mapping[first : first + data.nbytes] = data
        mapping.flush()

    thawing.current().actions.append(write_back)
    return mapping


def view_mapped(
    mapping: Any,
    own: tuple[Any, int, Any] | None,
    offset: int,
    dtype: np.dtype[Any],
    shape: tuple[int, ...],
    strides: tuple[int, ...] | None,
    writeable: bool,
) -> Any:
    """An array over a mapping: a memmap with its attributes, or an ordinary one."""
    if own is None:
        return arrays.view(mapping, offset, dtype, shape, strides, writeable)
    made: Any = np.ndarray.__new__(np.memmap, shape, dtype, mapping, offset, strides)
    made._mmap = mapping._mmap
    made.filename, made.offset, made.mode = own
    if made.flags.writeable and not writeable:
        made.flags.writeable = False
    return made
