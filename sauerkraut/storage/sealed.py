"""An HDF5 file of ours: written once and sealed, read with every byte checked.

The user block stays zero until all that is behind it is durable; writing it is the seal. So a file
with a table is whole, or damaged, and never merely unfinished.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sauerkraut.errors import CorruptCheckpoint, StorageError, UntrustedCheckpoint
from sauerkraut.storage import disk, hashes, skeleton
from sauerkraut.storage.disk import Closing, File
from sauerkraut.storage.piece import Place
from sauerkraut.storage.skeleton import Dataset, Virtual
from sauerkraut.storage.table import HEAD_SIZE, LARGEST, SMALLEST, Extent, Head, Table
from sauerkraut.storage.trust import ANYBODY, Trust

if TYPE_CHECKING:
    from typing_extensions import Buffer

_LARGEST_POLL = 1.0


@dataclass(frozen=True, slots=True)
class Content:
    """A dataset and its bytes."""

    name: str
    data: Buffer
    dtype: str | None = None
    """None: a byte stream."""
    shape: tuple[int, ...] = ()
    path: str = ""
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class _Seen:
    """What shows in HDF5's tree only, and has no bytes of its own."""

    links: tuple[tuple[str, str], ...]
    virtual: tuple[Virtual, ...]


def write(
    path: Path,
    contents: Sequence[Content],
    header: Mapping[str, Any],
    *,
    links: Iterable[tuple[str, str]] = (),
    virtual: Iterable[Virtual] = (),
    key: bytes | None,
    mode: int,
    leave_free: int = 0,
) -> tuple[int, str]:
    """Write a file that was not there, and seal it: two fsyncs, then nothing writes to it again.

    Args:
        path: A file that is not there.
        contents: What it holds.
        header: What `SealedFile.header` will be.
        links: Name and target of HDF5's external links.
        virtual: Datasets that show those of other files, for readers of HDF5.
        key: Authenticates the file; None: no key.
        mode: Its permissions.
        leave_free: Bytes of the disk that must be free beside it, once its space is reserved.

    Returns:
        Its size, and the hexadecimal hash of its table.

    Raises:
        ValueError: HDF5 cannot hold these names or shapes; nothing was written.
        StorageError: it could not be written; what is left of it, if anything, has no seal.
    """
    views = [memoryview(content.data) for content in contents]
    for content, view in zip(contents, views, strict=True):
        if not view.c_contiguous:
            raise ValueError(f"{content.name} is not C-contiguous: store its transpose or a copy")
    seen = _Seen(tuple(links), tuple(virtual))
    frame, block = _plan(contents, views, header, seen, key)
    with File.create(path, mode) as file:
        reserved = file.allocate(frame.size)
        if leave_free:
            disk.must_fit(path.parent, 0 if reserved else frame.size, leave_free)
        digests = [
            hashes.write(file, offset, view, key) if view.nbytes else b""
            for offset, view in zip(frame.offsets, views, strict=True)
        ]
        rest = [hashes.write(file, offset, data, key) for offset, data in frame.rest]
        table = _table(contents, views, header, frame, digests, rest).encode(block, frame.size, key)
        assert table is not None  # planned with as many digests
        file.sync()
        file.write(0, table)
        try:
            file.sync()
        except StorageError:
            # The seal may be in memory only, where a start on this host would believe it.
            with suppress(StorageError):
                disk.unlink(path)
            raise
    return frame.size, table[-hashes.TABLE_SIZE :].hex()


def _plan(
    contents: Sequence[Content],
    views: Sequence[memoryview],
    header: Mapping[str, Any],
    seen: _Seen,
    key: bytes | None,
) -> tuple[skeleton.Skeleton, int]:
    """Find the user block that holds the table; where the data lies depends on its size."""
    datasets = [
        Dataset(
            content.name, view.nbytes, content.dtype, content.shape, content.path, content.place
        )
        for content, view in zip(contents, views, strict=True)
    ]
    attributes = {name: header[name] for name in ("kind", "epoch", "attempt", "world_size")}
    least = sum(hashes.count(view.nbytes) * hashes.SIZE for view in views)
    block = SMALLEST
    while block <= LARGEST:
        if block > least:
            frame = skeleton.build(
                datasets,
                user_block=block,
                attributes=attributes,
                links=seen.links,
                virtual=seen.virtual,
            )
            blank = [bytes(hashes.count(view.nbytes) * hashes.SIZE) for view in views]
            rest = [bytes(hashes.count(len(data)) * hashes.SIZE) for _, data in frame.rest]
            table = _table(contents, views, header, frame, blank, rest)
            if table.encode(block, frame.size, key) is not None:
                return frame, block
        block *= 2
    raise ValueError(f"{len(datasets)} arrays and streams are more than one file can list")


def _table(
    contents: Sequence[Content],
    views: Sequence[memoryview],
    header: Mapping[str, Any],
    frame: skeleton.Skeleton,
    digests: Sequence[bytes],
    rest: Sequence[bytes],
) -> Table:
    named = (
        Extent(
            offset,
            view.nbytes,
            mine,
            content.name,
            content.dtype,
            content.shape,
            content.path,
            content.place,
        )
        for content, view, offset, mine in zip(contents, views, frame.offsets, digests, strict=True)
    )
    others = (
        Extent(offset, len(data), mine)
        for (offset, data), mine in zip(frame.rest, rest, strict=True)
    )
    return Table(dict(header), (*named, *others))


class SealedFile(Closing):
    """A sealed file, open for reading."""

    def __init__(
        self, file: File, head: Head, table: Table, digest: str, key: bytes | None
    ) -> None:
        self.path = file.path
        self.nbytes = head.file_size
        self.header = table.header
        self.extents = {each.name: each for each in table.extents if each.name is not None}
        self.digest = digest
        self.keyed = head.keyed
        self._table = table
        self._file = file
        self._key = key

    @classmethod
    def open(cls, path: Path, trust: Trust | None, *, kind: str, wait: float = 0.0) -> Self:
        """Open a file and check its table.

        Args:
            path: The file.
            trust: Refuse what it does not allow; None: anybody's, unchecked where it is keyed.
            kind: What it must say it is.
            wait: Seconds to wait for a name that other hosts see already.

        Raises:
            UntrustedCheckpoint: owner, permissions or key.
            CorruptCheckpoint: it has no seal, or its table is wrong.
            StorageError: it could not be read.
        """
        file = _open(path, wait)
        try:
            return cls._of(file, ANYBODY if trust is None else trust, kind)
        except StorageError as error:
            file.close()
            if str(path) in str(error):
                raise
            raise type(error)(f"{path} {error}") from error
        except BaseException:
            file.close()
            raise

    @classmethod
    def _of(cls, file: File, trust: Trust, kind: str) -> Self:
        status = file.status()
        if not stat.S_ISREG(status.st_mode):
            raise CorruptCheckpoint("is not a file")
        trust.check(status, file.path)
        start = bytearray(min(HEAD_SIZE, status.st_size))
        head = Head.decode(bytes(start[: file.read(0, start)]), status.st_size)
        trust.check_keyed(head.keyed, file.path)
        memory = disk.new_memory(file.path, head.size)
        block = bytes(memory[: file.read(0, memory)])
        table = Table.decode(block, head, trust.key)
        if table.header.get("kind") != kind:
            raise CorruptCheckpoint(f"is a {table.header.get('kind')}, not a {kind}")
        key = trust.key if head.keyed else None
        return cls(file, head, table, block[-hashes.TABLE_SIZE :].hex(), key)

    def read(self, name: str) -> memoryview:
        """Read one dataset's bytes into new, aligned, writable memory and check them.

        Raises:
            KeyError: no such dataset.
            CorruptCheckpoint: its bytes are wrong.
            StorageError: it could not be read.
        """
        extent = self.extents[name]
        memory = disk.new_memory(self.path, extent.nbytes)
        if extent.nbytes:
            self._compare(extent, hashes.read(self._file, extent.offset, memory, self._key))
        return memory

    def read_part(self, name: str, start: int, nbytes: int) -> memoryview:
        """Read some bytes of one dataset, and check the hashes of the blocks they lie in.

        Raises: as `read`.
        """
        extent = self.extents[name]
        if start + nbytes > extent.nbytes:
            raise CorruptCheckpoint(f"{self.path}: {name}: has {extent.nbytes} bytes only")
        low = start // hashes.BLOCK * hashes.BLOCK
        high = min(low + hashes.count(start + nbytes - low) * hashes.BLOCK, extent.nbytes)
        memory = disk.new_memory(self.path, high - low)
        if nbytes:
            found = hashes.read(self._file, extent.offset + low, memory, self._key)
            self._compare(extent, found, low, high)
        return memory[start - low : start - low + nbytes]

    def verify(self, *, but: Iterable[str] = ()) -> None:
        """Check every byte, but for datasets that were read already; raises as `read`."""
        done = set(but)
        for extent in self._table.extents:
            if extent.name is None or extent.name not in done:
                self._check(extent)

    def problems(self) -> list[tuple[str | None, str]]:
        """Check every byte; returns what is wrong in which dataset (None: HDF5's own bytes).

        Raises:
            UntrustedCheckpoint: it is keyed, and the key is not here.
            StorageError: it could not be read.
        """
        if self.keyed and self._key is None:
            raise UntrustedCheckpoint(
                f"{self.path} can only be checked with its key: set SAUERKRAUT_KEY_FILE"
            )
        found = []
        for extent in self._table.extents:
            try:
                self._check(extent)
            except CorruptCheckpoint as error:
                found.append((extent.name, str(error)))
        return found

    def _check(self, extent: Extent) -> None:
        self._compare(extent, hashes.scan(self._file, extent.offset, extent.nbytes, self._key))

    def _compare(
        self, extent: Extent, found: tuple[int, bytes], low: int = 0, high: int | None = None
    ) -> None:
        """Compare what was read between ``low``, where a digest begins, and ``high``."""
        if self.keyed and self._key is None:
            return
        nbytes, digests = found
        high = extent.nbytes if high is None else high
        what = f"{self.path}: {extent.name or 'HDF5 structure'}"
        if nbytes != high - low:
            raise CorruptCheckpoint(f"{what}: ends after {low + nbytes} of {extent.nbytes} bytes")
        first, count = low // hashes.BLOCK, hashes.count(nbytes)
        expected = extent.digests[first * hashes.SIZE : (first + count) * hashes.SIZE]
        if digests != expected:
            for block in range(count):
                part = slice(block * hashes.SIZE, (block + 1) * hashes.SIZE)
                if digests[part] != expected[part]:
                    start = extent.offset + low + block * hashes.BLOCK
                    end = min(start + hashes.BLOCK, extent.offset + extent.nbytes)
                    raise CorruptCheckpoint(f"{what}: wrong hash of file bytes {start} to {end}")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _open(path: Path, wait: float) -> File:
    deadline, pause = time.monotonic() + wait, 0.05
    while True:
        try:
            return File.open(path)
        except StorageError as error:
            if not disk.is_missing(error) or time.monotonic() >= deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LARGEST_POLL)
