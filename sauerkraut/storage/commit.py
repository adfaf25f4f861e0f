"""The steps that make an epoch exist, and those that make it go. Rank 0 only, but for `sweep`.

The order, with the agreement of all ranks between the lines, is::

    rank 0      attempt = begin(ownership, ...)                 broadcast the attempt
    every rank  seal = shard.write(attempt, piece, trust)       gather the seals
    rank 0      epoch = publish(ownership, attempt, seals, ...) broadcast the outcome
    rank 0      trash = prune(ownership, keep, ...)             broadcast
    every rank  sweep(trash, rank, size)                        any time later, any thread

and when any rank failed: all writers stopped, then `discard` on rank 0 and `sweep`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sauerkraut.storage.manifest import About, Attempt, Epoch, Seal
from sauerkraut.storage.ownership import Ownership
from sauerkraut.storage.trust import Trust


def begin(
    ownership: Ownership,
    *,
    world_size: int,
    parent: str | None,
    about: About,
    nbytes: int | None = None,
) -> Attempt:
    """Make the directory of a new attempt; its number was never used before.

    Args:
        ownership: Of this incarnation.
        world_size: Ranks that will write a shard.
        parent: Attempt of the epoch this run last committed or resumed from; None at the first.
        about: What the job says of the epoch.
        nbytes: Bytes of all pieces, for the check that they fit; None: as many as the newest epoch.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: ENOSPC when one more epoch does not fit, or any failing call. Committed
            epochs stay as they are.
    """
    raise NotImplementedError


def publish(
    ownership: Ownership,
    attempt: Attempt,
    seals: Sequence[Seal],
    *,
    seconds: float,
    trust: Trust,
) -> Epoch:
    """Commit: manifest, fsyncs, OWNER read anew, rename, fsync.

    Args:
        ownership: Of this incarnation.
        attempt: Every rank has sealed its shard of it.
        seals: One per rank, in rank order.
        seconds: Since staging started, for people.
        trust: Its key, if any, authenticates the manifest.

    Raises:
        Superseded: another incarnation owns the directory, even if it published this attempt.
        StorageError: the attempt failed; where only the last fsync did, the epoch stays visible
            and may or may not outlive a power cut. Prune nothing for it. No epoch is lost.
    """
    raise NotImplementedError


def discard(ownership: Ownership, attempt: Attempt) -> list[Path]:
    """Set a failed attempt aside, after all its writers stopped; returns what to `sweep`.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: it stays where it is, and is decided at the next start.
    """
    raise NotImplementedError


def prune(ownership: Ownership, keep: int, *, resumed_from: int | None = None) -> list[Path]:
    """Set aside all but the ``keep`` newest epochs; returns what to `sweep`, older trash included.

    Final epochs stay, and ``resumed_from`` while no newer epoch is committed.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: some epochs more than asked for stay.
    """
    raise NotImplementedError


def sweep(trash: Sequence[Path], rank: int = 0, size: int = 1) -> None:
    """Unlink trash: every rank its share of the files, whoever comes last the directories.

    What cannot be unlinked is logged and left for a later `prune`.
    """
    raise NotImplementedError


def finish(ownership: Ownership, epoch: Epoch) -> None:
    """Write COMPLETE, which names the final epoch of a finished run; does nothing when it does.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: the run is not recorded as finished; the epoch stays, and a start writes it.
    """
    raise NotImplementedError


def start_over(ownership: Ownership) -> list[Path]:
    """Set COMPLETE and then every epoch aside (``fresh=True``); returns what to `sweep`.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: some epochs stay; call again.
    """
    raise NotImplementedError
