"""The steps of storage in their order, taken by the right ranks, with agreement between them.

Every method is collective. One that raises has raised the same error on every rank.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from sauerkraut import storage
from sauerkraut.checkpoint.agreement import agreed, shared, together
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import (
    CorruptCheckpoint,
    RankError,
    StorageError,
    Superseded,
    WorldSizeMismatch,
)
from sauerkraut.group import Group
from sauerkraut.settings import Settings
from sauerkraut.storage import About, Epoch, Manifest, Ownership, Piece, Trust
from sauerkraut.wording import counted

S = TypeVar("S")

NFS_WAIT = 60.0  # seconds until a file that rank 0 sees must be there for all ranks


@dataclass(frozen=True, slots=True)
class Stored:
    """One whole epoch, read: what all know of it, and this rank's piece."""

    manifest: Manifest
    piece: Piece


class Store:
    """The checkpoint directory of a run.

    Args:
        directory: The same on every rank.
        group: The ranks.
        settings: The same on every rank.
        keep: How many epochs stay; or the numbers of those that stay with the newest.
        share: None or "group": permissions of what is made.
        reports: Told what a person should know.
        postmortems: Whether ranks that fail will leave post-mortems; rank 0's counts.
    """

    def __init__(
        self,
        directory: Path,
        group: Group,
        settings: Settings,
        *,
        keep: int | Collection[int],
        share: str | None,
        reports: Reports,
        postmortems: bool = False,
    ) -> None:
        self.directory = directory
        self.keep = keep
        self._group = group
        self._settings = settings
        self._share = share
        self._reports = reports
        self._postmortems = postmortems
        self._postmortem: int | None = None
        self._trust = Trust()
        self._ownership: Ownership | None = None  # rank 0 only
        self._parent: str | None = None
        self._touched = 0.0
        self._longest_gap = 0.0
        self._sweeping: threading.Thread | None = None

    def take(self) -> None:
        """Take the directory and decide what a dead incarnation left in it.

        Raises:
            DirectoryOwned, Superseded, UntrustedCheckpoint, StorageError: see `storage`.
        """
        group, settings = self._group, self._settings
        processes = together(group, "start", storage.Process.this)

        def take() -> None:
            self._ownership = Ownership.take(
                self.directory,
                storage.Incarnation.of_this_job(processes),
                take_over=settings.take_over,
                wait=settings.owner_wait,
                share=self._share,
                say=self._reports.tell,
            )

        with agreed(group, "key file"):
            self._trust = Trust.of(settings)
        shared(group, f"taking {self.directory}", take)

        def roll_forward() -> Epoch | tuple[Epoch | None, int] | None:
            rolled = storage.roll_forward(self.ownership, self._trust)
            if not self._postmortems:
                return rolled  # and nothing more for the other ranks
            return rolled, storage.postmortem.next_number(self.directory)

        rolled = shared(group, f"rolling forward in {self.directory}", roll_forward)
        if isinstance(rolled, tuple):
            rolled, self._postmortem = rolled
        if rolled is not None:
            self._reports.tell(f"epoch {rolled.number} was sealed on all ranks: rolled forward")

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

    def start_over(self) -> None:
        """Set COMPLETE and all epochs aside, for ``fresh=True``."""
        group = self._group
        trash = shared(group, "fresh start", lambda: storage.start_over(self.ownership))
        storage.sweep(trash, group.rank, group.size)

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

    def write(self, piece: Piece, about: About, nbytes: int) -> Epoch:
        """Store the pieces of all ranks, ``nbytes`` together, as one epoch.

        Raises:
            Superseded: another incarnation owns the directory; it may have come after the commit.
            StorageError: no epoch was committed by this call; earlier ones stay valid.
        """
        group = self._group
        began = time.monotonic()
        attempt = shared(
            group,
            "beginning an epoch",
            lambda: storage.begin(
                self.ownership,
                world_size=group.size,
                parent=self._parent,
                about=about,
                nbytes=nbytes,
            ),
        )
        try:
            self.event("begin", epoch=attempt.epoch, attempt=attempt.id, step=about.step)
            seals = together(
                group,
                f"writing epoch {attempt.epoch}",
                lambda: storage.write(attempt, piece, self._trust, wait=NFS_WAIT),
            )
            self.event("sealed", epoch=attempt.epoch, attempt=attempt.id)
            epoch = shared(
                group,
                f"committing epoch {attempt.epoch}",
                lambda: storage.publish(
                    self.ownership,
                    attempt,
                    seals,
                    seconds=time.monotonic() - began,
                    trust=self._trust,
                ),
            )
        except RankError as error:
            self.event("failed", epoch=attempt.epoch, attempt=attempt.id, error=str(error))
            self._discard(attempt)
            raise
        self._parent = attempt.id
        self.event(
            "commit",
            epoch=epoch.number,
            attempt=epoch.attempt,
            step=epoch.step,
            seconds=round(epoch.seconds, 6),
            bytes=epoch.bytes,
            metrics=dict(epoch.metrics),
        )
        self._prune()
        return dataclasses.replace(epoch, path=self.directory / epoch.path.name)

    def _discard(self, attempt: storage.Attempt) -> None:
        """Set a failed attempt aside; what cannot be is decided at the next start."""
        group = self._group

        def discard() -> list[Path]:
            try:
                return storage.discard(self.ownership, attempt)
            except Superseded:
                raise
            except OSError as error:
                self._reports.note(f"the failed attempt {attempt.path.name} stays: {error}")
                return []

        trash = shared(group, f"discarding epoch {attempt.epoch}", discard)
        storage.sweep(trash, group.rank, group.size)

    def _prune(self) -> None:
        """Keep the newest epochs; that one more than asked for stays is worth a warning only."""
        group = self._group

        def prune() -> list[Path]:
            try:
                return storage.prune(self.ownership, self.keep)
            except Superseded:
                raise
            except OSError as error:
                self._reports.warn(f"old epochs could not be removed: {error}")
                return []

        trash = shared(group, "pruning", prune)
        if trash:
            self._sweep_beside(trash)
            self.event("prune", removed=[path.name for path in trash])

    def _sweep_beside(self, trash: list[Path]) -> None:
        """Unlink this rank's share while the program goes on."""
        share = (trash, self._group.rank, self._group.size)
        self._sweeping = threading.Thread(
            target=storage.sweep, args=share, name="sauerkraut sweep", daemon=True
        )
        try:
            self._sweeping.start()
        except RuntimeError:  # no more threads
            self._sweeping = None
            storage.sweep(*share)

    def wait_swept(self) -> None:
        """Return when nothing is being unlinked any more: space is free, no thread of ours runs.

        Not collective; before each capture, and at the end.
        """
        if self._sweeping is not None:
            self._sweeping.join()
            self._sweeping = None

    def complete(self, epoch: Epoch) -> None:
        """Record that the run has finished with ``epoch``; does nothing where that is recorded."""

        def complete() -> None:
            if storage.finish(self.ownership, epoch):
                self.event("complete", epoch=epoch.number, attempt=epoch.attempt)

        shared(self._group, "completing", complete)

    def leave_postmortem(self, piece: Piece, about: About, last: Epoch | None) -> Path:
        """Store what this rank leaves for people; see `storage.postmortem`. Not collective.

        Args:
            piece: What is to be seen.
            about: What the job says of itself.
            last: The epoch that was committed last; the next one is taken to be as large, and as
                large as this of every rank where there is none.

        Raises:
            StorageError: there is no space but for the next epoch, or any failing call.
        """
        size = self._group.size
        return storage.postmortem.write(
            self.directory,
            piece,
            about,
            self._trust,
            epoch=0 if last is None else last.number,
            world_size=size,
            number=self._postmortem,
            leave_free=size * piece.nbytes if last is None else last.bytes,
            share=self._share,
        )

    def events(self) -> list[dict[str, Any]]:
        """The log of the directory, on rank 0; empty on others, or where it cannot be read."""
        try:
            return storage.events.read(self.directory) if self._group.rank == 0 else []
        except StorageError as error:
            self._reports.warn(f"the log cannot be read, failures are not counted: {error}")
            return []

    def event(self, event: str, **fields: object) -> None:
        """Log an event on rank 0; on others, nothing. Not collective."""
        if self._group.rank == 0 and self._ownership is not None:
            storage.events.append(self._ownership, event, **fields)

    def touch(self, gap: float) -> None:
        """Show that the owner lives, at most every `Settings.owner_touch`. Rank 0 only.

        Not collective.

        Args:
            gap: Seconds since the consensus before.

        Raises:
            Superseded: another incarnation owns the directory.
        """
        self._longest_gap = max(self._longest_gap, gap)
        now = time.monotonic()
        if now - self._touched < self._settings.owner_touch:
            return
        self._touched = now
        try:
            self.ownership.touch(self._longest_gap)
        except Superseded:
            raise
        except OSError as error:
            self._reports.warn(f"OWNER could not be touched: {error}")

    def release(self) -> None:
        """Let anybody take the directory over. Not collective; never raises."""
        if self._ownership is not None:
            try:
                self._ownership.release()
            except OSError as error:
                self._reports.warn(f"OWNER could not be released: {error}")
            self._ownership = None
        self.wait_swept()


def _or_from_data(manifest: Manifest) -> str:
    """The other way out, where there is one."""
    if not manifest.arrays():
        return ""
    return (
        ", or afresh in another directory from the arrays that sauerkraut.storage.open finds here"
    )
