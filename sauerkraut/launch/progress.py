"""What a checkpoint directory says to a supervisor, who never writes there."""

from __future__ import annotations

import os
import time
from collections.abc import Collection
from pathlib import Path

from sauerkraut.checkpoint import requests
from sauerkraut.checkpoint.requests import Request
from sauerkraut.errors import NoCheckpoint, StorageError
from sauerkraut.storage import Process, catalog, layout, owner
from sauerkraut.storage.owner import Owner


def newest_epoch(directory: Path) -> int:
    """Number of the newest committed epoch; 0 where there is none, or no directory.

    Raises:
        StorageError: the directory cannot be read.
    """
    try:
        return max((entry.name.number for entry in catalog.committed(directory)), default=0)
    except NoCheckpoint:
        return 0


def any_ranks(directory: Path) -> bool:
    """Whether the newest epoch holds tasks, which go on on any number of ranks.

    Raises:
        StorageError: it, or the directory, cannot be read.
    """
    try:
        epochs = catalog.committed(directory)
    except NoCheckpoint:
        return False
    return bool(epochs) and catalog.read_manifest(epochs[0].path).tasks is not None


def is_complete(directory: Path) -> bool:
    """Whether COMPLETE is there.

    Raises:
        StorageError: it is, and cannot be read.
    """
    return catalog.completion(directory) is not None


def requests_answered(directory: Path, epoch: int) -> set[str]:
    """Ids of the requests for that epoch.

    Raises:
        StorageError: its manifest cannot be read.
    """
    path = directory / str(layout.EpochName(epoch, "committed"))
    return set(catalog.read_manifest(path).about.requests)


def duration_of(directory: Path, epoch: int) -> float:
    """Seconds that the epoch took.

    Raises:
        StorageError: its manifest cannot be read.
    """
    path = directory / str(layout.EpochName(epoch, "committed"))
    return catalog.read_manifest(path).epoch.seconds


def ask_for_checkpoint(directory: Path, who: str) -> str:
    """Ask rank 0 for a checkpoint; id of the request.

    Not by SIGUSR2: MPICH's launcher dies of it.

    Raises:
        StorageError: the request cannot be placed.
    """
    request = Request(layout.new_id(), stop=False, who=who)
    requests.write(directory, request)
    return request.id


def hash_seed(directory: Path) -> str:
    """Hash seed of the job, so that its sets of strings keep their order.

    The one recorded in the newest epoch whose manifest can be read; where there is none, that of
    the environment, else "0".

    Raises:
        StorageError: the directory cannot be read.
    """
    recorded = None
    try:
        epochs = catalog.committed(directory)
    except NoCheckpoint:
        epochs = []
    for entry in epochs:
        try:
            recorded = catalog.read_manifest(entry.path).about.more.get("hash_seed")
        except (StorageError, MemoryError):
            continue
        break
    return os.environ.get("PYTHONHASHSEED", "0") if recorded is None else str(recorded)


def owner_of(directory: Path) -> Owner | None:
    """Who may write there and has not left; None where nobody is.

    Raises:
        StorageError: OWNER cannot be read.
    """
    found = owner.read(directory)
    return None if found is None or found.released else found


class Silence:
    """How long the owner of a directory has shown no sign of life, by the caller's own clock."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / layout.OWNER
        self._seen = 0
        self._since = time.monotonic()

    def seconds(self) -> float:
        """Seconds since OWNER was seen to change; 0 where there is none."""
        try:
            touched = self._path.stat().st_mtime_ns
        except OSError:
            touched = 0
        if touched != self._seen or not touched:
            self._seen, self._since = touched, time.monotonic()
        return time.monotonic() - self._since


class Absence:
    """How long all ranks that this host can see have been gone."""

    def __init__(self) -> None:
        self._since: float | None = None

    def seconds(self, processes: Collection[Process]) -> float:
        """Seconds since that was first seen; 0 while one of them lives, or there is none to see."""
        if not processes or not all(process.is_gone() for process in processes):
            self._since = None
            return 0.0
        if self._since is None:
            self._since = time.monotonic()
        return time.monotonic() - self._since
