"""An HDF5 file without its data, made by h5py in memory.

libhdf5 never writes to the file system: after a failed write it may take the process down with
it, and what it leaves looks whole. It makes a sparse file in memory here; the few pages it filled
and the data go to the target through `disk`.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from sauerkraut.storage import dtypes
from sauerkraut.storage.piece import Place

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PAGE = 4096
_MOST_AXES = 32  # of HDF5; NumPy has arrays of 64


@dataclass(frozen=True, slots=True)
class Dataset:
    """A dataset to be: contiguous, from a page on aligned to pages."""

    name: str
    nbytes: int
    dtype: str | None = None
    """None: unsigned bytes."""
    shape: tuple[int, ...] = ()
    path: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Virtual:
    """A dataset without bytes of its own, put together from those of other files."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset of another file, and where it lies in the virtual one."""

    file: str
    """Name beside the file that has the virtual one."""
    name: str
    start: tuple[int, ...]
    shape: tuple[int, ...]


class SparseFile(io.RawIOBase):
    """A file in memory of which only the pages that were written exist."""

    def __init__(self) -> None:
        self.size = 0
        self._position = 0
        self._pages: dict[int, bytearray] = {}

    def readable(self) -> bool:
        """True."""
        return True

    def writable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """As of any file."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = start + offset
        return self._position

    def truncate(self, size: int | None = None) -> int:
        """As of any file."""
        self.size = self._position if size is None else size
        return self.size

    def readinto(self, buffer: Buffer) -> int:
        """As of any file."""
        target = memoryview(buffer).cast("B")
        nbytes = max(0, min(len(target), self.size - self._position))
        target[:nbytes] = self.content(self._position, nbytes)
        self._position += nbytes
        return nbytes

    def write(self, buffer: Buffer) -> int:
        """As of any file."""
        source = memoryview(buffer).cast("B")
        done = 0
        while done < len(source):
            page, start = divmod(self._position + done, _PAGE)
            part = source[done : done + _PAGE - start]
            self._pages.setdefault(page, bytearray(_PAGE))[start : start + len(part)] = part
            done += len(part)
        self._position += done
        self.size = max(self.size, self._position)
        return done

    def content(self, offset: int, nbytes: int) -> bytes:
        """Bytes at an offset; zeros where nothing was written."""
        first, last = offset // _PAGE, (offset + nbytes - 1) // _PAGE
        zeros = bytes(_PAGE)
        pages = b"".join(self._pages.get(page, zeros) for page in range(first, last + 1))
        return pages[offset - first * _PAGE :][:nbytes]


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Where the data goes, and every byte of the file that is not data."""

    size: int
    offsets: tuple[int, ...]
    """One per dataset, in the order asked for; 0 for an empty one."""
    rest: tuple[tuple[int, bytes], ...]
    """Offset and content of the runs between user block, datasets and end of file."""


def build(
    datasets: Sequence[Dataset],
    *,
    user_block: int,
    attributes: Mapping[str, str | int],
    links: Iterable[tuple[str, str]] = (),
    virtual: Iterable[Virtual] = (),
) -> Skeleton:
    """Make a skeleton.

    Args:
        datasets: Each gets room for its bytes.
        user_block: Bytes at the start of the file that are not HDF5's; a power of two.
        attributes: Of the root group, for people.
        links: Name and file: each name becomes an external link to the same name in the file.
        virtual: For people: nothing checks the bytes that these show.

    Raises:
        ValueError: names clash, or HDF5 does not take one of them.
    """
    from h5py import h5f, h5fd, h5p

    memory = SparseFile()
    access = h5p.create(h5p.FILE_ACCESS)
    # superblock 3 and checksummed metadata; HDF5 1.10 to 2.x read it
    access.set_libver_bounds(h5f.LIBVER_V110, h5f.LIBVER_V110)
    access.set_alignment(_PAGE, _PAGE)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    access.set_fileobj_driver(h5fd.fileobj_driver, memory)
    creation = h5p.create(h5p.FILE_CREATE)
    creation.set_userblock(user_block)
    try:
        file = h5f.create(b"skeleton", h5f.ACC_TRUNC, creation, access)
        try:
            for name, value in attributes.items():
                _attribute(file, name, value)
            offsets = [_make(file, dataset) for dataset in datasets]
            for name, target in links:
                link = name.encode()
                file.links.create_external(link, target.encode(), link, lcpl=_with_parents())
            for each in virtual:
                _make_virtual(file, each)
        finally:
            file.close()
    except (OSError, RuntimeError, KeyError, TypeError) as error:
        raise ValueError(f"HDF5 cannot hold these names: {error}") from error

    taken = sorted(
        (offset, dataset.nbytes)
        for offset, dataset in zip(offsets, datasets, strict=True)
        if dataset.nbytes
    )
    rest, position = [], user_block
    for offset, nbytes in [*taken, (memory.size, 0)]:
        if offset > position:
            rest.append((position, memory.content(position, offset - position)))
        position = offset + nbytes
    return Skeleton(max(memory.size, position), tuple(offsets), tuple(rest))


# Through h5py's low level: its classes would take a third of the time of a small epoch.


@cache
def _with_parents() -> Any:
    """How a name is made: the groups above it too."""
    from h5py import h5p, h5t

    links = h5p.create(h5p.LINK_CREATE)
    links.set_create_intermediate_group(True)
    links.set_char_encoding(h5t.CSET_UTF8)
    return links


@cache
def _text() -> tuple[Any, Any]:
    """NumPy's and HDF5's type for text of any length."""
    import h5py

    dtype = h5py.string_dtype()
    return dtype, h5py.h5t.py_create(dtype, logical=True)


def _attribute(owner: Any, name: str, value: str | int | tuple[int, ...]) -> None:
    import numpy as np
    from h5py import h5a, h5s, h5t

    dtype, kind = _text() if isinstance(value, str) else (np.dtype("<i8"), h5t.STD_I64LE)
    many = isinstance(value, tuple)
    space = h5s.create_simple(np.shape(value)) if many else h5s.create(h5s.SCALAR)
    made = h5a.create(owner, name.encode(), kind, space)
    made.write(np.array(value, dtype))


def _make(file: Any, dataset: Dataset) -> int:
    shape = dataset.shape if dataset.dtype is not None else (dataset.nbytes,)
    kind = _type(dataset.dtype, shape)
    if kind is not None and kind.get_size() * math.prod(shape) != dataset.nbytes:
        raise ValueError(
            f"{dataset.name}: {dataset.nbytes} bytes are no {dataset.dtype} of shape {shape}"
        )
    known = None if kind is None else _create(file, dataset.name, kind, shape)
    made = known
    if made is None:  # nothing HDF5 has a name for: its bytes, and our name for it beside them
        made = _create(file, dataset.name, _type(None), (dataset.nbytes,))
    if dataset.dtype is not None:
        _attribute(made, "path", dataset.path)
        if known is None:
            _attribute(made, "dtype", dataset.dtype)
    if dataset.place is not None:
        _attribute(made, "array", dataset.place.array)
        _attribute(made, "start", dataset.place.start)
        _attribute(made, "array_shape", dataset.place.shape)
    return int(made.get_offset()) if dataset.nbytes else 0


def _create(file: Any, name: str, kind: Any, shape: tuple[int, ...]) -> Any:
    """Create a contiguous dataset; None where the fields of a type are more than HDF5 can list."""
    from h5py import h5d, h5p, h5s, h5t

    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_layout(h5d.CONTIGUOUS)
    creation.set_alloc_time(h5d.ALLOC_TIME_EARLY)
    creation.set_fill_time(h5d.FILL_TIME_NEVER)
    creation.set_obj_track_times(False)
    space = h5s.create_simple(shape) if shape else h5s.create(h5s.SCALAR)
    try:
        return h5d.create(file, name.encode(), kind, space, dcpl=creation, lcpl=_with_parents())
    except (ValueError, RuntimeError) as error:
        if kind.get_class() == h5t.COMPOUND:
            return None
        raise ValueError(f"HDF5 cannot hold the name {name}: {error}") from error


def _make_virtual(file: Any, dataset: Virtual) -> None:
    """Make a virtual dataset, where HDF5 has a name for its type."""
    from h5py import h5d, h5p, h5s, h5t

    kind = _type(dataset.dtype, dataset.shape)
    if kind is None:
        return
    creation = h5p.create(h5p.DATASET_CREATE)
    creation.set_obj_track_times(False)
    space = h5s.create_simple(dataset.shape)
    sources = [source for source in dataset.sources if math.prod(source.shape)]
    if sources:
        creation.set_layout(h5d.VIRTUAL)
    for source in sources:
        space.select_hyperslab(source.start, source.shape)
        of = h5s.create_simple(source.shape)
        creation.set_virtual(space, source.file.encode(), f"/{source.name}".encode(), of)
    space.select_all()
    try:
        h5d.create(file, dataset.name.encode(), kind, space, dcpl=creation, lcpl=_with_parents())
    except (ValueError, RuntimeError):
        if kind.get_class() != h5t.COMPOUND:  # whose fields may be too many
            raise


def _type(dtype: str | None, shape: tuple[int, ...] = ()) -> Any:
    """Return HDF5's type for the text of a NumPy one; None where it has none, or no such array."""
    from h5py import h5t

    if dtype is None:
        return h5t.STD_U8LE
    try:
        ours = dtypes.parse(dtype)
        kind = h5t.py_create(ours, logical=True)
    except (TypeError, ValueError, KeyError):
        return None
    # fields that share bytes come out side by side
    return kind if kind.get_size() == ours.itemsize and len(shape) <= _MOST_AXES else None
