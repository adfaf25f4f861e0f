"""The steps that make an epoch exist. Rank 0 only.

The order, with the agreement of all ranks between the lines, is::

    rank 0      attempt = begin(ownership, ...)                 broadcast the attempt
    every rank  seal = shard.write(attempt, piece, trust)       gather the seals
    rank 0      epoch = publish(ownership, attempt, seals, ...) broadcast the outcome
    rank 0      trash = prune(ownership, keep, ...)             broadcast
    every rank  sweep(trash, rank, size)                        any time later, any thread

and when any rank failed: all writers stopped, then `discard` on rank 0 and `sweep`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from errno import EEXIST, ENOSPC
from pathlib import Path

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.storage import catalog, disk, layout, manifest
from sauerkraut.storage import owner as owners
from sauerkraut.storage.disk import File
from sauerkraut.storage.epoch import About, Attempt, Epoch, Manifest, Seal
from sauerkraut.storage.layout import EpochName
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
    ownership.check()
    entries = catalog.entries(ownership.directory)
    if nbytes is None:
        nbytes = _size_of_newest(entries)
    free = disk.free_bytes(ownership.directory)
    if nbytes > free:
        raise StorageError(
            ENOSPC,
            f"one more epoch needs about {nbytes} bytes, {free} are free",
            str(ownership.directory),
        )
    # A number of which any trace is left is never used again: a rename onto a damaged epoch would
    # fail for ever, and shards of two timelines could meet under one name.
    names = map(EpochName.parse, disk.names(ownership.directory))  # those of files too
    number = 1 + max((name.number for name in names if name is not None), default=0)
    if number > layout.LARGEST:
        raise StorageError(
            EEXIST,
            f"remove what has epoch number {number - 1}: none is left after it",
            str(ownership.directory),
        )
    attempt = Attempt(
        ownership.directory,
        number,
        layout.new_id(),
        parent,
        world_size,
        about,
        ownership.incarnation.id,
        ownership.share,
    )
    disk.make_directory(attempt.path, ownership.modes.directory)
    return attempt


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
    if [seal.rank for seal in seals] != list(range(attempt.world_size)):
        raise ValueError(f"publish needs one seal of each of {attempt.world_size} ranks, in order")
    described = describe(ownership, attempt, seals, seconds)
    try:
        manifest.write(
            attempt.path / layout.MANIFEST, described, share=ownership.share, key=trust.key
        )
    except StorageError as error:
        raise owners.explained(ownership.directory, ownership.incarnation.id, error) from error
    return move_into_place(ownership, attempt.path, described)


def describe(
    ownership: Ownership, attempt: Attempt, seals: Sequence[Seal], seconds: float
) -> Manifest:
    """Say what the attempt will be as an epoch."""
    epoch = Epoch(
        number=attempt.epoch,
        attempt=attempt.id,
        step=attempt.about.step,
        when=datetime.now(UTC),
        seconds=seconds,
        bytes=sum(seal.nbytes for seal in seals),
        metrics=attempt.about.metrics,
        path=ownership.directory / str(EpochName(attempt.epoch, "committed")),
    )
    return Manifest(
        epoch,
        attempt.parent,
        attempt.world_size,
        attempt.about,
        tuple(seals),
        ownership.incarnation.id,
        os.uname().nodename,
        _user(),
    )


def move_into_place(ownership: Ownership, source: Path, described: Manifest) -> Epoch:
    """Make an attempt whose files are all durable the epoch it is meant to be.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: as `publish`.
    """
    epoch = described.epoch
    try:
        disk.sync_directory(source)
        ownership.check()
        disk.rename(source, epoch.path)
    except StorageError as error:
        if not disk.is_missing(error) or not _was_renamed(ownership, epoch):
            raise owners.explained(ownership.directory, ownership.incarnation.id, error) from error
    disk.sync_directory(ownership.directory)
    return epoch


def _was_renamed(ownership: Ownership, epoch: Epoch) -> bool:
    """Whether a rename that says ENOENT had been done: NFS repeats requests."""
    ownership.check()
    try:
        return manifest.read(epoch.path).epoch.attempt == epoch.attempt
    except StorageError:
        return False


def _size_of_newest(entries: Sequence[catalog.Entry]) -> int:
    for entry in entries:
        if entry.name.state == "committed":
            try:
                return manifest.read(entry.path).epoch.bytes
            except CorruptCheckpoint:
                continue
    return 0


def _user() -> str:
    import getpass  # brings much along, for the rank that commits

    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


def finish(ownership: Ownership, epoch: Epoch) -> bool:
    """Write COMPLETE, which names the final epoch of a finished run; False when it did already.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: the run is not recorded as finished; the epoch stays, and a start writes it.
    """
    try:
        found = catalog.completion(ownership.directory)
    except CorruptCheckpoint:  # then it is written anew
        found = None
    if found is not None and found.attempt == epoch.attempt:
        return False
    private = ownership.directory / layout.private(layout.COMPLETE)
    text = json.dumps(
        {"epoch": epoch.number, "attempt": epoch.attempt, "time": datetime.now(UTC).isoformat()}
    )
    with File.create(private, ownership.modes.file) as file:
        file.write(0, text.encode() + b"\n")
        file.sync()
    ownership.check()
    disk.rename(private, ownership.directory / layout.COMPLETE)
    disk.sync_directory(ownership.directory)
    return True
