"""What a checkpoint directory holds, for a restart, `ls`, `inspect` and `verify`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from errno import ENOENT
from pathlib import Path

from sauerkraut.errors import CorruptCheckpoint, NoCheckpoint, StorageError
from sauerkraut.nonsense import NONSENSE, wrong
from sauerkraut.storage import claims, disk, layout, manifest
from sauerkraut.storage.epoch import Manifest
from sauerkraut.storage.layout import EpochName
from sauerkraut.storage.shard import Shard
from sauerkraut.storage.trust import ANYBODY, Trust


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
    """None: the file as a whole, its table, or HDF5's own bytes in it."""
    problem: str


def entries(directory: Path) -> list[Entry]:
    """List every epoch's directory, newest first, whatever its state; needs no ownership.

    A file with such a name, or a link to nothing, is not ours.

    Raises:
        NoCheckpoint: there is no such directory.
        StorageError: it could not be read.
    """
    try:
        names = disk.names(directory)
    except StorageError as error:
        if error.errno == ENOENT:
            raise NoCheckpoint(ENOENT, "no checkpoint directory", str(directory)) from error
        raise
    parsed = (
        (name, directory / text)
        for text in names
        if (name := EpochName.parse(text)) is not None and disk.is_directory(directory / text)
    )
    found = [Entry(path, name) for name, path in parsed]
    return sorted(found, key=lambda entry: entry.name.number, reverse=True)


def committed(directory: Path) -> list[Entry]:
    """List what a restart may choose from, newest first; raises as `entries` does."""
    return [entry for entry in entries(directory) if entry.name.state == "committed"]


def none_committed(directory: Path, number: int | None = None) -> NoCheckpoint:
    """What to raise where no epoch is committed, or not that of this number; says where to look."""
    epoch = EpochName.parse(directory.name)
    if epoch is not None and (directory / layout.MANIFEST).exists():
        return NoCheckpoint(
            f"{directory} is one epoch: give the directory of all, {directory.parent}, "
            f"and epoch {epoch.number}"
        )
    which = "no committed epoch" if number is None else f"no committed epoch {number}"
    return NoCheckpoint(f"{directory}: {which}")


def ever_committed(directory: Path) -> bool:
    """Whether there are epochs, good or damaged: then a fresh start would lose what was computed.

    Raises:
        StorageError: the directory could not be read.
    """
    try:
        return any(entry.name.state in ("committed", "damaged") for entry in entries(directory))
    except NoCheckpoint:
        return False


def read_manifest(epoch: Path, trust: Trust | None = None) -> Manifest:
    """Read and check the manifest of a committed epoch's directory.

    Raises:
        UntrustedCheckpoint: owner, permissions or key; not with ``trust=None``.
        CorruptCheckpoint: it is missing, its bytes are wrong, or it is another epoch's.
        StorageError: it could not be read.
    """
    found = manifest.read(epoch, trust)
    name = EpochName.parse(epoch.name)
    if name is not None and name.number != found.epoch.number:
        raise CorruptCheckpoint(f"{epoch} holds the manifest of epoch {found.epoch.number}")
    return found


def completion(directory: Path) -> Completion | None:
    """Read COMPLETE; None when the run has not finished.

    Raises:
        CorruptCheckpoint: it is there and does not parse.
        StorageError: it could not be read.
    """
    path = directory / layout.COMPLETE
    try:
        values = json.loads(disk.read_bytes(path))
        return Completion(
            int(values["epoch"]), str(values["attempt"]), datetime.fromisoformat(values["time"])
        )
    except StorageError as error:
        if disk.is_missing(error):
            return None
        raise
    except NONSENSE as error:
        raise CorruptCheckpoint(f"{path} does not name an epoch: {wrong(error)}") from error


def missing(manifest: Manifest) -> list[Path]:
    """Return the shards of an epoch that are not in its directory.

    Raises:
        StorageError: the directory could not be read.
    """
    epoch = manifest.epoch.path
    there = set(disk.names(epoch))
    return [epoch / seal.file for seal in manifest.seals if seal.file not in there]


def others(directory: Path) -> list[str]:
    """Names in a checkpoint directory, and in its committed epochs, that belong to no epoch or run.

    Nothing here reads or removes them. An epoch whose manifest cannot be read may have any shard.

    Raises:
        NoCheckpoint: there is no such directory.
        StorageError: it could not be read.
    """
    found = entries(directory)
    known = {entry.path.name for entry in found}
    names = disk.names(directory)
    strange = [name for name in names if name not in known and not layout.is_of_run(name)]
    for entry in found:
        if entry.name.state == "committed":
            strange += [f"{entry.path.name}/{name}" for name in _others_in(entry.path)]
    return strange


def _others_in(epoch: Path) -> list[str]:
    try:
        names = disk.names(epoch)
    except StorageError as error:
        if disk.is_missing(error):  # a run that goes on removed it meanwhile
            return []
        raise
    try:
        known = {seal.file for seal in read_manifest(epoch).seals}
    except StorageError:  # for `verify` to tell
        known = set(filter(layout.is_of_epoch, names))
    known.add(layout.MANIFEST)
    return [name for name in names if name not in known and not layout.is_private(name)]


def verify(epoch: Path, trust: Trust | None = None) -> list[Finding]:
    """Check every byte of every file of an epoch, running nothing; an empty list means whole.

    Also whether arrays can be what is said of them: as many bytes as type and shape take, and
    blocks that fill the array that all ranks hold together.

    Args:
        epoch: Its directory.
        trust: Its key is needed for an epoch that has one; None: no key.

    Raises:
        UntrustedCheckpoint: it is keyed, and the key is not here or another.
        StorageError: a file could not be read (EIO, EACCES, ESTALE).
    """
    trust = ANYBODY if trust is None else trust
    try:
        found = read_manifest(epoch, trust)
        findings = [
            Finding(layout.MANIFEST, stream, problem)
            for stream, problem in manifest.problems(epoch, trust)
        ]
    except CorruptCheckpoint as error:
        return [Finding(layout.MANIFEST, None, str(error))]
    findings += [
        Finding(layout.MANIFEST, array.name, problem)
        for array in found.arrays().values()
        if (problem := claims.problem(array)) is not None
    ]
    for seal in found.seals:
        try:
            with Shard.open(epoch / seal.file, trust, seal=seal) as shard:
                problems = [*shard.problems(), *_of_wrong_size(shard)]
        except CorruptCheckpoint as error:
            problems = [(None, str(error))]
        findings += [Finding(seal.file, stream, problem) for stream, problem in problems]
    return findings


def _of_wrong_size(shard: Shard) -> Iterator[tuple[str, str]]:
    """Arrays that have not the bytes they should, and how."""
    for array in shard.arrays():
        problem = claims.wrong_size(array.dtype, array.shape, shard.nbytes(array.name))
        if problem is not None:
            yield f"{layout.rank_group(shard.seal.rank)}/{array.name}", problem
