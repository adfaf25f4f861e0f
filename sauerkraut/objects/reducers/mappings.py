"""mmap.mmap: read-only ones by path, shared ones written back, all others by value."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

from sauerkraut._native import address_of
from sauerkraut.errors import ResumeError
from sauerkraut.objects import thawing
from sauerkraut.objects.freezing import Freezing, Reduced, reduces, refuse


@reduces(mmap.mmap)
def _reduce_mapping(mapping: mmap.mmap, _: Freezing) -> Reduced:
    if mapping.closed:
        return (closed_mapping, ())
    with memoryview(mapping) as view:
        readonly, length, address = view.readonly, len(view), address_of(view)
    where = _where(address)
    if where is None:
        raise refuse(mapping, "it cannot be found in /proc/self/maps; keep its bytes")
    shared, path, start = where
    state = (mapping.tell(),)
    if path is None or (not shared and not readonly):
        contents = mapping[:]
        return (anonymous, (contents,), state, None, None, seek)
    try:
        status = Path(path).stat()
    except OSError as error:
        raise refuse(mapping, f"it maps a file that is gone ({error}); keep its bytes") from error
    if readonly:
        facts = (path, start, length, status.st_size, status.st_mtime_ns)
        return (map_to_read, facts, state, None, None, seek)
    mapping.flush()
    return (map_to_write, (path, start, length, mapping[:]), state, None, None, seek)


def _where(address: int) -> tuple[bool, str | None, int] | None:
    """(shared, path or None, offset in the file) of what is mapped at an address."""
    for line in Path("/proc/self/maps").read_text(errors="surrogateescape").splitlines():
        bounds, permissions, offset, _, _, *name = line.split(maxsplit=5)
        first, _, last = bounds.partition("-")
        if int(first, 16) <= address < int(last, 16):
            path = name[0] if name and name[0].startswith("/") else None
            if path is not None and path.endswith(" (deleted)"):
                # An anonymous shared mapping looks like that, and so does a file that is gone.
                path = None if path.startswith("/dev/zero") else path
            return permissions[3] == "s", path, int(offset, 16) + address - int(first, 16)
    return None


def seek(mapping: mmap.mmap, state: tuple[int]) -> None:
    """Move a mapping to its position."""
    mapping.seek(state[0])


def closed_mapping() -> mmap.mmap:
    """A mapping that was closed."""
    mapping = mmap.mmap(-1, 1)
    mapping.close()
    return mapping


def anonymous(contents: bytes) -> mmap.mmap:
    """A mapping of no file."""
    mapping = mmap.mmap(-1, len(contents))
    mapping[:] = contents
    return mapping


def map_to_read(path: str, start: int, length: int, size: int, mtime_ns: int) -> mmap.mmap:
    """A read-only mapping of a file that must be as it was."""
    try:
        with Path(path).open("rb") as file:
            status = os.fstat(file.fileno())
            thawing.current().compare(f"{path}, mapped for reading,", status, size, mtime_ns)
            return mmap.mmap(file.fileno(), length, access=mmap.ACCESS_READ, offset=start)
    except OSError as error:
        raise ResumeError(f"the file {path} was mapped: {error}") from error


def map_to_write(path: str, start: int, length: int, contents: bytes) -> mmap.mmap:
    """A shared mapping; its bytes are written back when all is read."""
    try:
        with Path(path).open("r+b") as file:
            size = os.fstat(file.fileno()).st_size
            thawing.refuse_shorter(f"{path}, mapped for writing,", size, start + length)
            mapping = mmap.mmap(file.fileno(), length, offset=start)
    except OSError as error:
        raise ResumeError(f"the file {path} was mapped for writing: {error}") from error

    def write_back() -> None:
        mapping[:] = contents
        mapping.flush()

    thawing.current().actions.append(write_back)
    return mapping
