"""Reading the epochs of a checkpoint directory: the newest whole one, on all ranks alike.

Every method is collective. One that raises has raised the same error on every rank.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from sauerkraut import storage
from sauerkraut.checkpoint.agreement import shared, together
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import CorruptCheckpoint, WorldSizeMismatch
from sauerkraut.group import Group
from sauerkraut.storage import Manifest, Ownership, Piece, Trust
from sauerkraut.wording import counted

S = TypeVar("S")

NFS_WAIT = 60.0  # seconds until a file that rank 0 sees must be there for all ranks


@dataclass(frozen=True, slots=True)
class Stored:
    """One whole epoch, read: what all know of it, and this rank's piece."""

    manifest: Manifest
    piece: Piece


class Reading:
    """A checkpoint directory that was taken, as this run reads it.

    Args:
        directory: The same on every rank.
        group: The ranks.
        reports: Told what a person should know.
    """

    def __init__(self, directory: Path, group: Group, reports: Reports) -> None:
        self.directory = directory
        self._group = group
        self._reports = reports
        self._trust = Trust()
        self._ownership: Ownership | None = None  # rank 0 only
        self._parent: str | None = None  # the attempt that what is written next follows

    @property
    def ownership(self) -> Ownership:
        """This incarnation's right to write; rank 0 only."""
        assert self._ownership is not None, "rank 0, after take()"
        return self._ownership

    def follow(self, attempt: str | None) -> None:
        """Let what is written next follow the epoch of an ``attempt``. Not collective.

        `newest` does that itself; this is for who reads epochs in another way.
        """
        self._parent = attempt

    def newest(self) -> Stored | None:
        """Read the newest whole epoch; None where there is none, not even a damaged one.

        Falls back over epochs whose bytes are wrong, which are set aside, and over nothing else.

        Raises:
            CorruptCheckpoint: there are epochs and none is whole.
            WorldSizeMismatch: the newest was written by another number of ranks.
            UntrustedCheckpoint, StorageError: see `storage`; nothing was renamed.
        """
        return self.newest_by(self._read)

    def before(self, stored: Stored) -> Stored | None:
        """Read the epoch that one says to go back to; None where there is no whole one.

        Raises:
            WorldSizeMismatch, UntrustedCheckpoint, StorageError: as for `newest`.
        """
        back = stored.manifest.about.back
        if back is None:
            return None

        def find() -> Manifest | str:
            for entry in storage.catalog.committed(self.directory):
                if entry.name.number == back.epoch:
                    return self._manifest(entry.path, False)
            return "it is not there"

        manifest = shared(self._group, f"reading epoch {back.epoch}", find)
        found = manifest if isinstance(manifest, str) else self._read(manifest)
        return None if isinstance(found, str) else found

    def newest_by(self, read: Callable[[Manifest], S | str], *, any_size: bool = False) -> S | None:
        """Do as `newest` for who reads an epoch in another way.

        Args:
            read: Collective: returns what is read, or on every rank why its bytes are wrong.
            any_size: Whether another number of ranks may have written it.
        """
        names = shared(self._group, "listing epochs", self._names)
        for path in names[0]:
            manifest = shared(
                self._group, f"reading {path.name}", partial(self._manifest, path, any_size)
            )
            found = manifest if isinstance(manifest, str) else read(manifest)
            if isinstance(manifest, str) or isinstance(found, str):
                self._set_aside(path, str(found))
                continue
            self._parent = manifest.epoch.attempt
            if not manifest.about.final:
                self._reopen()
            return found
        if names[0] or names[1]:
            seen = ", ".join([path.name for path in names[0]] + names[1])

            def refuse() -> None:
                raise CorruptCheckpoint(f"no epoch is whole ({seen}); fresh=True starts anew")

            shared(self._group, f"restarting from {self.directory}", refuse)
        self._reopen()
        return None

    def _reopen(self) -> None:
        """Set COMPLETE aside when the epoch it names is not the newest: the run is not finished."""
        trash = shared(self._group, "reopening", lambda: storage.reopen(self.ownership))
        storage.sweep(trash, self._group.rank, self._group.size)
        if trash:
            self._reports.warn(
                f"{self.directory} says that the run has finished, but its last epoch is not "
                "there or not whole: computing it again"
            )

    def _names(self) -> tuple[list[Path], list[str]]:
        committed = [entry.path for entry in storage.catalog.committed(self.directory)]
        every = storage.catalog.entries(self.directory)
        return committed, [e.path.name for e in every if e.name.state == "damaged"]

    def _manifest(self, path: Path, any_size: bool) -> Manifest | str:
        """Read the manifest of an epoch, or say why its bytes are wrong. Rank 0 only."""
        try:
            manifest = storage.catalog.read_manifest(path, self._trust)
        except CorruptCheckpoint as error:
            return str(error)
        if manifest.world_size != self._group.size and not any_size:
            raise WorldSizeMismatch(
                f"{counted(manifest.world_size, 'rank')} wrote {path}, "
                f"this job has {self._group.size}: start it with {manifest.world_size}"
                f"{_or_from_data(manifest)}"
            )
        # What rank 0 does not see is lost; only what it sees may be late elsewhere (NFS).
        missing = storage.catalog.missing(manifest)
        return f"{missing[0]} is missing" if missing else manifest

    def open(self, manifest: Manifest, rank: int) -> storage.Shard:
        """Open the shard of ``rank`` in an epoch. Not collective; raises as `Shard.open`."""
        seal = manifest.seals[rank]
        path = manifest.epoch.path / seal.file
        return storage.Shard.open(path, self._trust, seal=seal, wait=NFS_WAIT)

    def _read(self, manifest: Manifest) -> Stored | str:
        """Read one epoch on all ranks, or say why its bytes are wrong."""
        group = self._group
        piece: Piece | None = None

        def read_shard() -> str | None:
            nonlocal piece
            try:
                with self.open(manifest, group.rank) as shard:
                    piece = shard.piece()
            except CorruptCheckpoint as error:
                return str(error)
            return None

        path = manifest.epoch.path
        problems = [p for p in together(group, f"reading {path.name}", read_shard) if p]
        if problems or piece is None:
            return problems[0]
        return Stored(manifest, piece)

    def _set_aside(self, path: Path, problem: str) -> None:
        aside = shared(
            self._group,
            f"setting {path.name} aside",
            lambda: storage.set_aside_damaged(self.ownership, path),
        )
        self._reports.warn(f"{problem}; set aside as {aside.name}, trying the epoch before it")


def _or_from_data(manifest: Manifest) -> str:
    """The other way out, where there is one."""
    if not manifest.arrays():
        return ""
    return (
        ", or afresh in another directory from the arrays that sauerkraut.storage.open finds here"
    )
