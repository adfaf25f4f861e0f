"""One rank's file of an epoch: written and sealed with two fsyncs, read with every byte checked."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from sauerkraut.storage.manifest import About, Attempt, Seal
from sauerkraut.storage.piece import Piece
from sauerkraut.storage.trust import Trust


def write(attempt: Attempt, piece: Piece, trust: Trust) -> Seal:
    """Write and seal the shard of ``piece.rank`` in the attempt's directory.

    Not collective: every rank calls it with its own piece, after `begin`.

    Raises:
        StorageError: no space, or any failing call; ``errno`` says which. The attempt has failed
            on this rank and must be discarded; the file that is left behind has no seal.
        ValueError: two names of the piece clash, or an array has not the bytes its shape says.
    """
    raise NotImplementedError


class Shard:
    """A sealed shard, open for reading. Use as a context manager."""

    path: Path
    seal: Seal
    epoch: int
    attempt: str
    parent: str | None
    world_size: int
    about: About

    @classmethod
    def open(
        cls, path: Path, trust: Trust | None = None, *, seal: Seal | None = None, wait: float = 0.0
    ) -> Shard:
        """Open a shard and check its table; no other byte is read.

        Args:
            path: The file.
            trust: Refuse what it does not allow. None: read anybody's (`ls`, `inspect`, `verify`),
                a keyed shard's bytes then stay unchecked.
            seal: What the manifest says of it.
            wait: Seconds to wait for a file that other ranks see already (NFS).

        Raises:
            UntrustedCheckpoint: owner, permissions or key.
            CorruptCheckpoint: the bytes are wrong, or it is not the shard that the seal speaks of.
            StorageError: it could not be read (ENOENT, EIO, EACCES, ESTALE, ...).
        """
        raise NotImplementedError

    def names(self) -> list[str]:
        """Names of the rank's streams and arrays."""
        raise NotImplementedError

    def stream(self, name: str) -> memoryview:
        """Read one stream into new memory and check its hashes.

        Raises:
            KeyError: no such stream.
            CorruptCheckpoint: its bytes are wrong.
            StorageError: it could not be read.
        """
        raise NotImplementedError

    def piece(self) -> Piece:
        """Read everything in one pass and check every byte of the file.

        The data of each stream and array is a writable `memoryview` of its own, 64-byte aligned
        memory. A restart needs no `verify` beside this.

        Raises:
            CorruptCheckpoint: a byte of the file is wrong; names the stream.
            StorageError: it could not be read.
        """
        raise NotImplementedError

    def verify(self) -> None:
        """Check every byte of the file in little memory; raises as `piece` does."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the file."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
