"""The steps of storage in their order, taken by the right ranks, with agreement between them.

Every method is collective. One that raises has raised the same error on every rank.
"""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

from sauerkraut import storage
from sauerkraut.checkpoint.agreement import agreed, shared, together
from sauerkraut.checkpoint.reading import NFS_WAIT, Reading
from sauerkraut.checkpoint.reports import Reports
from sauerkraut.errors import RankError, StorageError, Superseded
from sauerkraut.group import Group
from sauerkraut.settings import Settings
from sauerkraut.storage import About, Epoch, Ownership, Piece, Trust


class Store(Reading):
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
        super().__init__(directory, group, reports)
        self.keep = keep
        self._settings = settings
        self._share = share
        self._postmortems = postmortems
        self._postmortem: int | None = None
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

    def start_over(self) -> None:
        """Set COMPLETE and all epochs aside, for ``fresh=True``."""
        group = self._group
        trash = shared(group, "fresh start", lambda: storage.start_over(self.ownership))
        storage.sweep(trash, group.rank, group.size)

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
