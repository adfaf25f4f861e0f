"""One rank's file of an epoch: written and sealed with two fsyncs, read with every byte checked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from errno import ENOENT
from pathlib import Path
from typing import Self

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.storage import disk, layout, owner, sealed
from sauerkraut.storage.disk import Closing
from sauerkraut.storage.epoch import About, Attempt, Block, Seal
from sauerkraut.storage.layout import Modes
from sauerkraut.storage.piece import Array, Piece, Stream
from sauerkraut.storage.sealed import Content, SealedFile
from sauerkraut.storage.table import Extent
from sauerkraut.storage.trust import Trust

_LOOK_AGAIN = 0.1  # seconds


def write(attempt: Attempt, piece: Piece, trust: Trust, *, wait: float = 0.0) -> Seal:
    """Write and seal the shard of ``piece.rank`` in the attempt's directory.

    Not collective: every rank calls it with its own piece, after `begin`.

    Args:
        attempt: As `begin` returned it.
        piece: What this rank stores.
        trust: Its key, if any, authenticates the shard.
        wait: Seconds to wait for the attempt's directory, made on another host (NFS).

    Raises:
        Superseded: another incarnation took the directory and fenced the attempt.
        StorageError: no space, or any failing call; ``errno`` says which. The attempt has failed
            on this rank and must be discarded; the file that is left behind has no seal.
        ValueError: two names of the piece clash, or an array has not the bytes its shape says.
    """
    file = layout.shard(piece.rank)
    header = {
        "kind": "shard",
        "epoch": attempt.epoch,
        "attempt": attempt.id,
        "parent": attempt.parent,
        "world_size": attempt.world_size,
        "ranks": [piece.rank],
        "about": attempt.about.to_json(),
    }
    mode = Modes.of(attempt.share).file
    deadline = time.monotonic() + wait
    while True:
        try:
            return write_file(attempt.path / file, piece, header, trust, mode)
        except StorageError as error:
            found = owner.explained(attempt.directory, attempt.incarnation, error)
            if found is not error or error.errno != ENOENT or time.monotonic() >= deadline:
                raise found from error
        time.sleep(_LOOK_AGAIN)


def write_file(
    path: Path,
    piece: Piece,
    header: Mapping[str, object],
    trust: Trust,
    mode: int,
    *,
    leave_free: int = 0,
) -> Seal:
    """Write and seal a piece as a file of its own.

    Args:
        path: A file that is not there.
        piece: Its content.
        header: What `Shard` reads of it.
        trust: Its key, if any, authenticates the file.
        mode: Its permissions.
        leave_free: Bytes of the disk that must be free beside it.

    Raises:
        StorageError: no space, or any failing call.
        ValueError: two names of the piece clash, or an array has not the bytes its shape says.
    """
    prefix = layout.rank_group(piece.rank)
    contents = [
        *(Content(f"{prefix}/{_checked(stream.name)}", stream.data) for stream in piece.streams),
        *(
            Content(
                f"{prefix}/{_checked(array.name)}",
                array.data,
                array.dtype,
                array.shape,
                array.path,
                array.place,
            )
            for array in piece.arrays
        ),
    ]
    names = {content.name for content in contents}
    if len(names) != len(contents):
        raise ValueError(f"rank {piece.rank} stores two things under one name")
    nbytes, digest = sealed.write(
        path, contents, header, key=trust.key, mode=mode, leave_free=leave_free
    )
    blocks = (
        Block(array.name, array.dtype, array.shape, array.place)
        for array in piece.arrays
        if array.place is not None
    )
    return Seal(piece.rank, path.name, nbytes, digest, tuple(blocks))


def _checked(name: str) -> str:
    if any(part in ("", ".", "..") for part in name.split("/")) or "\0" in name:
        raise ValueError(f"{name!r} names no stream: parts separated by /, none empty, . or ..")
    return name


def _array(name: str, data: bytes | memoryview, dtype: str, extent: Extent) -> Array:
    return Array(name, data, dtype, extent.shape or (), extent.path, extent.place)


def _is_visible(directory: Path) -> bool:
    try:
        disk.status(directory)
    except StorageError:
        return False
    return True


class Shard(Closing):
    """A sealed shard, open for reading. Use as a context manager."""

    def __init__(self, file: SealedFile) -> None:
        header = file.header
        try:
            (rank,) = header["ranks"]
            self.epoch = int(header["epoch"])
            self.attempt = str(header["attempt"])
            parent = header["parent"]
            self.parent: str | None = None if parent is None else str(parent)
            self.world_size = int(header["world_size"])
            self.about = About.of_json(header["about"])
            self._prefix = layout.rank_group(int(rank)) + "/"
            blocks = tuple(
                Block(name.removeprefix(self._prefix), str(e.dtype), e.shape or (), e.place)
                for name, e in file.extents.items()
                if e.place is not None
            )
            self.seal = Seal(int(rank), file.path.name, file.nbytes, file.digest, blocks)
        except NONSENSE as error:
            raise CorruptCheckpoint(
                f"{file.path} has a header that cannot be: {wrong(error)}"
            ) from error
        self.path = file.path
        self._file = file

    @classmethod
    def open(
        cls, path: Path, trust: Trust | None = None, *, seal: Seal | None = None, wait: float = 0.0
    ) -> Self:
        """Open a shard and check its table; no other byte is read.

        Args:
            path: The file.
            trust: Refuse what it does not allow. None: read anybody's (`ls`, `inspect`, `verify`),
                a keyed shard's bytes then stay unchecked.
            seal: What the manifest says of it.
            wait: Seconds to wait for a file that other ranks see already (NFS).

        Raises:
            UntrustedCheckpoint: owner, permissions or key.
            CorruptCheckpoint: the bytes are wrong, or it is not the shard that the seal speaks of,
                or that one is not in its directory.
            StorageError: it could not be read (ENOENT, EIO, EACCES, ESTALE, ...).
        """
        try:
            file = SealedFile.open(path, trust, kind="shard", wait=wait)
        except StorageError as error:
            if seal is None or error.errno != ENOENT or not _is_visible(path.parent):
                raise
            raise CorruptCheckpoint(f"{path} is missing") from error
        try:
            shard = cls(file)
            shard._must_be(seal)
        except BaseException:
            file.close()
            raise
        return shard

    def _must_be(self, seal: Seal | None) -> None:
        if seal is not None and seal != self.seal:
            raise CorruptCheckpoint(f"{self.path} is not the file that the manifest speaks of")

    def names(self) -> list[str]:
        """Names of the rank's streams and arrays."""
        return [name.removeprefix(self._prefix) for name in self._file.extents]

    def nbytes(self, name: str) -> int:
        """Bytes of a stream or array; raises KeyError where there is none."""
        return self._file.extents[self._prefix + name].nbytes

    def stream(self, name: str) -> memoryview:
        """Read one stream or array into new memory and check its hashes.

        Raises:
            KeyError: no such stream.
            CorruptCheckpoint: its bytes are wrong.
            StorageError: it could not be read.
        """
        return self._file.read(self._prefix + name)

    def part(self, name: str, start: int, nbytes: int) -> memoryview:
        """Read some bytes of a stream or array, and check the hashes of the blocks they lie in.

        Args:
            name: Of the stream or array.
            start: The first byte, counted from its own first.
            nbytes: How many; all of them are in it.

        Raises:
            KeyError, CorruptCheckpoint, StorageError: as `stream`.
        """
        return self._file.read_part(self._prefix + name, start, nbytes)

    def arrays(self) -> list[Array]:
        """Describe the arrays without reading them: their ``data`` is empty."""
        return [
            _array(name.removeprefix(self._prefix), b"", extent.dtype, extent)
            for name, extent in self._file.extents.items()
            if extent.dtype is not None
        ]

    def piece(self) -> Piece:
        """Read everything in one pass and check every byte of the file.

        The data of each stream and array is a writable `memoryview` of its own, 64-byte aligned
        memory. A restart needs no `verify` beside this.

        Raises:
            CorruptCheckpoint: a byte of the file is wrong; names the stream.
            StorageError: it could not be read.
        """
        streams, arrays = [], []
        for name, extent in self._file.extents.items():
            data, short = self._file.read(name), name.removeprefix(self._prefix)
            if extent.dtype is None:
                streams.append(Stream(short, data))
            else:
                arrays.append(_array(short, data, extent.dtype, extent))
        self._file.verify(but=self._file.extents)
        return Piece(self.seal.rank, tuple(streams), tuple(arrays))

    def verify(self) -> None:
        """Check every byte of the file in little memory; raises as `piece` does."""
        self._file.verify()

    def problems(self) -> list[tuple[str | None, str]]:
        """Check every byte; returns what is wrong in which stream instead of raising at the first.

        Raises:
            StorageError: the file could not be read.
        """
        return self._file.problems()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
