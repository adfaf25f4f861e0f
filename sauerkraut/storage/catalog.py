"""What a checkpoint directory holds, for a restart, `ls`, `inspect` and `verify`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sauerkraut.storage.layout import EpochName
from sauerkraut.storage.manifest import Epoch, Manifest
from sauerkraut.storage.ownership import Ownership
from sauerkraut.storage.trust import Trust


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory that speaks of an epoch."""

    path: Path
    name: EpochName


@dataclass(frozen=True, slots=True)
class Completion:
    """Content of COMPLETE."""

    epoch: int
    attempt: str
    when: datetime


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with an epoch."""

    file: str
    stream: str | None
    """None: the file as a whole, or its table."""
    problem: str


def entries(directory: Path) -> list[Entry]:
    """List every epoch name in the directory, newest first, whatever its state; needs no ownership.

    Raises:
        NoCheckpoint: there is no such directory.
        StorageError: it could not be read.
    """
    raise NotImplementedError


def committed(directory: Path) -> list[Entry]:
    """List what a restart may choose from, newest first; raises as `entries` does."""
    raise NotImplementedError


def read_manifest(epoch: Path, trust: Trust | None = None) -> Manifest:
    """Read and check the manifest of a committed epoch's directory.

    Raises:
        UntrustedCheckpoint: owner, permissions or key; not with ``trust=None``.
        CorruptCheckpoint: it is missing or its bytes are wrong.
        StorageError: it could not be read.
    """
    raise NotImplementedError


def completion(directory: Path) -> Completion | None:
    """Read COMPLETE; None when the run has not finished.

    Raises:
        CorruptCheckpoint: it is there and does not parse.
        StorageError: it could not be read.
    """
    raise NotImplementedError


def set_aside(ownership: Ownership, epoch: Path) -> Path:
    """Rename an epoch whose *bytes are wrong* to ``.damaged-``; never for EIO, EACCES, ESTALE.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: it keeps its name.
    """
    raise NotImplementedError


def verify(epoch: Path, trust: Trust | None = None) -> list[Finding]:
    """Check every byte of every file of an epoch; an empty list means whole.

    Raises:
        StorageError: a file could not be read (EIO, EACCES, ESTALE).
    """
    raise NotImplementedError


__all__ = [
    "Completion",
    "Entry",
    "Epoch",
    "Finding",
    "Manifest",
    "committed",
    "completion",
    "entries",
    "read_manifest",
    "set_aside",
    "verify",
]
