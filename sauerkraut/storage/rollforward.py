"""What becomes of attempts that another incarnation left: published, or trash. Rank 0 only."""

from __future__ import annotations

import logging
from pathlib import Path

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.storage import catalog, commit, disk, layout, manifest
from sauerkraut.storage.catalog import Entry
from sauerkraut.storage.disk import File
from sauerkraut.storage.epoch import Attempt, Epoch, Seal
from sauerkraut.storage.ownership import Ownership
from sauerkraut.storage.shard import Shard
from sauerkraut.storage.trust import ANYBODY, Trust

log = logging.getLogger(__name__)


def roll_forward(ownership: Ownership, trust: Trust) -> Epoch | None:
    """Decide every fenced attempt; call once, after `Ownership.take` and before `catalog`.

    One whose shards are all sealed and whole, and whose parent is the newest committed epoch, is
    published: all seals mean that every rank captured the same cut. Every other becomes trash,
    which a later `prune` returns for sweeping.

    Returns:
        The epoch that was published, if any.

    Raises:
        Superseded: another incarnation took the directory.
        UntrustedCheckpoint: an attempt is not ours; nothing was decided about it.
        StorageError: EIO, EACCES, ESTALE or the like; call again at the next start.
    """
    directory = ownership.directory
    published, changed = None, False
    for entry in catalog.entries(directory):  # newest first: only one can have the right parent
        if entry.name.state != "fenced":
            continue
        try:
            if published is None:
                published = _publish(ownership, entry, trust)
                if published is not None:
                    continue
            ownership.check()
            disk.rename(entry.path, layout.trash(entry.path))
            changed = True
        except StorageError as error:
            # Decided by one that we took over from, just before it could see that: as we would.
            if not disk.is_missing(error):
                raise
            ownership.check()
    ownership.check()  # what follows could be a rival's
    for name in filter(layout.is_private, disk.names(directory)):
        disk.unlink(directory / name)
    if changed:
        disk.sync_directory(directory)
    ownership.check()
    return published


def _publish(ownership: Ownership, entry: Entry, trust: Trust) -> Epoch | None:
    try:
        attempt, seals = _sealed(ownership, entry, trust)
    except CorruptCheckpoint as error:
        log.info("not rolled forward: %s", error)
        return None
    # A seal may so far be in the page cache of some host only.
    for seal in seals:
        with File.open(entry.path / seal.file) as file:
            file.sync()
    described = commit.describe(ownership, attempt, seals, seconds=0.0)
    # There may be a manifest already, of which nothing is known; the new one replaces it whole.
    private = entry.path / layout.private(layout.MANIFEST)
    manifest.write(private, described, share=ownership.share, key=trust.key)
    disk.rename(private, entry.path / layout.MANIFEST)
    return commit.move_into_place(ownership, entry.path, described)


def _sealed(ownership: Ownership, entry: Entry, trust: Trust) -> tuple[Attempt, list[Seal]]:
    """Check that an attempt is whole and continues the newest epoch; else CorruptCheckpoint."""
    with _open(entry.path / layout.shard(0), trust) as first:
        attempt = Attempt(
            ownership.directory,
            first.epoch,
            first.attempt,
            first.parent,
            first.world_size,
            first.about,
            ownership.incarnation.id,
            ownership.share,
        )
    if disk.is_directory(entry.path / layout.MANIFEST, follow=False):
        raise CorruptCheckpoint(f"{entry.path / layout.MANIFEST} is not a file")
    if (attempt.epoch, attempt.id) != (entry.name.number, entry.name.id):
        raise CorruptCheckpoint(f"{entry.path} holds shards of another attempt")
    newest = _newest_attempt(ownership.directory)
    if attempt.parent != newest:
        raise CorruptCheckpoint(f"{entry.path} continues {attempt.parent}, the newest is {newest}")
    seals = []
    for rank in range(attempt.world_size):
        with _open(entry.path / layout.shard(rank), trust) as shard:
            found = (shard.seal.rank, shard.epoch, shard.attempt, shard.parent, shard.world_size)
            if found != (rank, attempt.epoch, attempt.id, attempt.parent, attempt.world_size):
                raise CorruptCheckpoint(f"{shard.path} is of another attempt")
            shard.verify()
            seals.append(shard.seal)
    return attempt, seals


def _open(path: Path, trust: Trust) -> Shard:
    try:
        return Shard.open(path, trust)
    except StorageError as error:
        if not disk.is_missing(error):
            raise
        raise CorruptCheckpoint(f"{path} is missing") from error


def _newest_attempt(directory: Path) -> str | None:
    for entry in catalog.committed(directory):
        try:
            return manifest.read(entry.path).epoch.attempt
        except CorruptCheckpoint:  # what continues it may be whole; its shards know its name too
            return _open(entry.path / layout.shard(0), ANYBODY).attempt
    return None
