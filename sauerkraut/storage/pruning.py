"""The steps that make epochs go: set aside under a name nobody reads, then unlinked at leisure."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from errno import EEXIST, ENOTEMPTY
from pathlib import Path

from sauerkraut.errors import CorruptCheckpoint, StorageError
from sauerkraut.storage import catalog, disk, layout, manifest
from sauerkraut.storage.epoch import About, Attempt
from sauerkraut.storage.layout import EpochName
from sauerkraut.storage.ownership import Ownership

log = logging.getLogger(__name__)


def discard(ownership: Ownership, attempt: Attempt) -> list[Path]:
    """Set a failed attempt aside, after all its writers stopped; returns what to `sweep`.

    One that is not there, because it was published or never made, returns nothing to sweep.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: it stays where it is, and is decided at the next start.
    """
    return _set_aside(ownership, [attempt.path])


def prune(ownership: Ownership, keep: int | Collection[int]) -> list[Path]:
    """Set epochs aside; returns what to `sweep`, older trash included.

    Call it after a commit, while no attempt is being written: so the epoch that this run resumed
    from goes only when a newer one is durable. Final epochs stay, those that one which stays may go
    back to, and damaged ones that are newer than the oldest of those that stay.

    Args:
        ownership: Of the directory.
        keep: How many of the newest stay, not counting damaged ones; or the numbers of those that
            stay with the newest.

    Raises:
        ValueError: ``keep`` is a number less than 1.
        Superseded: another incarnation owns the directory.
        StorageError: some epochs more than asked for stay.
    """
    if isinstance(keep, int) and keep < 1:
        raise ValueError(f"keep={keep}: at least one epoch has to stay")
    entries = catalog.entries(ownership.directory)  # newest first
    abouts = {e.name.number: _about(e) for e in entries if e.name.state == "committed"}
    whole = [number for number, about in abouts.items() if about is not None and not about.final]
    if isinstance(keep, int):
        kept, are_all = whole[:keep], len(whole) >= keep
        for number in kept:  # which grows: those may have such epochs in their turn
            about = abouts[number]
            back = None if about is None else about.back
            if back is not None and back.epoch in whole and back.epoch not in kept:
                kept.append(back.epoch)
        kept.sort(reverse=True)
    else:
        kept, are_all = [each for each in whole if each in keep or each == whole[0]], True
    goes, gone = {*whole} - {*kept}, []
    if kept:
        limits = {"partial": kept[0], "damaged": kept[-1] if are_all else 0}
        for entry in entries:
            number, state = entry.name.number, entry.name.state
            if state == "committed" and abouts[number] is None:
                state = "damaged"
            if number < limits.get(state, 0) or (state == "committed" and number in goes):
                gone.append(entry.path)
    trash = _set_aside(ownership, gone)
    return [*trash, *_trash_but(ownership.directory, trash)]


def start_over(ownership: Ownership) -> list[Path]:
    """Set COMPLETE and then every epoch aside (``fresh=True``); returns what to `sweep`.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: some epochs stay; call again.
    """
    directory = ownership.directory
    # COMPLETE first: alone it would name an epoch that is not there.
    trash = _set_aside(ownership, [directory / layout.COMPLETE])
    entries = catalog.entries(directory)
    old = [e.path for e in reversed(entries) if e.name.state in ("committed", "damaged")]
    trash += _set_aside(ownership, old)
    return [*trash, *_trash_but(directory, trash)]


def reopen(ownership: Ownership) -> list[Path]:
    """Set COMPLETE aside, if it is there: a finished run goes on; returns what to `sweep`.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: it may still be there.
    """
    return _set_aside(ownership, [ownership.directory / layout.COMPLETE])


def set_aside_damaged(ownership: Ownership, epoch: Path) -> Path:
    """Rename an epoch whose *bytes are wrong*, so that it is never chosen again.

    Not for EIO, EACCES, ESTALE: those end a start and rename nothing.

    Raises:
        Superseded: another incarnation owns the directory.
        StorageError: it keeps its name.
    """
    name = EpochName.parse(epoch.name)
    if name is None or name.state != "committed":
        raise ValueError(f"{epoch} is not a committed epoch")
    damaged = epoch.with_name(str(EpochName(name.number, "damaged", layout.new_id())))
    ownership.check()
    disk.rename(epoch, damaged)
    disk.sync_directory(ownership.directory)
    return damaged


def sweep(trash: Sequence[Path], rank: int = 0, size: int = 1) -> None:
    """Unlink trash: every rank its share of the files, whoever comes last the directories.

    What cannot be unlinked is logged and left for a later `prune`.
    """
    for path in trash:
        try:
            _remove(path, rank, size)
        except StorageError as error:
            if not disk.is_missing(error):  # another rank, or another sweep, was faster
                log.warning("left in place: %s", error)


def _remove(path: Path, rank: int, size: int) -> None:
    if not disk.is_directory(path, follow=False):  # COMPLETE, or a link: what it names is not ours
        if rank == 0:
            disk.unlink(path)
        return
    for name in filter(layout.is_of_epoch, disk.names(path)):
        if layout.shard_rank(name) % size == rank and not disk.is_directory(path / name):
            disk.unlink(path / name)
    try:
        disk.remove_directory(path)
    except StorageError as error:
        if error.errno not in (ENOTEMPTY, EEXIST):  # other ranks' share, or something not ours
            raise


def _set_aside(ownership: Ownership, paths: Iterable[Path]) -> list[Path]:
    trash = []
    for path in paths:
        new = layout.trash(path)
        ownership.check()  # each time: what was listed may be a rival's by now
        try:
            disk.rename(path, new)
        except StorageError as error:
            if not disk.is_missing(error):
                raise
        else:
            trash.append(new)
    if trash:
        disk.sync_directory(ownership.directory)
    return trash


def _trash_but(directory: Path, known: Sequence[Path]) -> list[Path]:
    paths = (directory / name for name in disk.names(directory) if layout.is_trash(name))
    return [path for path in paths if path not in known]


def _about(entry: catalog.Entry) -> About | None:
    try:
        return manifest.read(entry.path).about
    except CorruptCheckpoint:
        return None
