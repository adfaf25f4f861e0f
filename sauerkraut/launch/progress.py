"""What a checkpoint directory says to a supervisor, who never writes there."""

from __future__ import annotations

import time
from pathlib import Path

from sauerkraut.checkpoint import requests
from sauerkraut.checkpoint.requests import Request
from sauerkraut.errors import StorageError
from sauerkraut.storage import Manifest, catalog, layout, owner
from sauerkraut.storage.owner import Owner

QUIET = 300.0
"""Seconds without a sign of life after which a job may hang ..."""
GAPS = 10
"""... or so many of its longest gaps between polls, if that is longer."""


def newest_epoch(directory: Path) -> int:
    """Number of the newest committed epoch; 0 where there is none, or no directory."""
    try:
        return max((entry.name.number for entry in catalog.committed(directory)), default=0)
    except StorageError:
        return 0


def is_complete(directory: Path) -> bool:
    """Whether COMPLETE is there and can be read."""
    try:
        return catalog.completion(directory) is not None
    except StorageError:
        return False


def requests_answered(directory: Path, epoch: int) -> set[str]:
    """Ids of the requests for that epoch."""
    manifest = _manifest(directory, epoch)
    return set() if manifest is None else set(manifest.about.requests)


def ask_for_checkpoint(directory: Path, who: str) -> str | None:
    """Ask rank 0 for a checkpoint; id of the request, None where it cannot be placed.

    Not by SIGUSR2: MPICH's launcher dies of it.
    """
    request = Request(layout.new_id(), stop=False, who=who)
    try:
        requests.write(directory, request)
    except StorageError:
        return None
    return request.id


def hash_seed(directory: Path) -> str:
    """Hash seed of the job, so that its sets keep their order; "0" where none is recorded."""
    manifest = _manifest(directory, newest_epoch(directory))
    recorded = None if manifest is None else manifest.about.more.get("hash_seed")
    return "0" if recorded is None else str(recorded)


def owner_of(directory: Path) -> Owner | None:
    """Who may write there and has not left; None where nobody is, or it cannot be read."""
    try:
        found = owner.read(directory)
    except StorageError:
        return None
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


def _manifest(directory: Path, epoch: int) -> Manifest | None:
    try:
        return catalog.read_manifest(directory / str(layout.EpochName(epoch, "committed")))
    except (StorageError, MemoryError):
        return None
