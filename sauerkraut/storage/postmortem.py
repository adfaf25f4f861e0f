"""Post-mortems: what ranks that failed left, for people. No epochs, and never restarted from.

::

    postmortem-3/
        shard-00001.h5      of the rank that failed

They belong to nobody: any rank writes one without owning the directory, as nothing reads them but
`inspect`.
"""

from __future__ import annotations

from collections.abc import Mapping
from errno import EEXIST
from pathlib import Path

from sauerkraut.errors import StorageError
from sauerkraut.storage import disk, layout, shard
from sauerkraut.storage.epoch import About
from sauerkraut.storage.layout import Modes
from sauerkraut.storage.piece import Piece
from sauerkraut.storage.trust import Trust

MOST = 3
"""That are kept; the oldest goes."""


def write(
    directory: Path,
    piece: Piece,
    about: About,
    trust: Trust,
    *,
    epoch: int,
    world_size: int,
    share: str | None = None,
) -> Path:
    """Store what one rank left in a new ``postmortem-N``; returns its path. Not collective.

    Args:
        directory: Of the epochs.
        piece: What is to be seen.
        about: What the job says of itself.
        trust: Its key, if any, authenticates the file.
        epoch: The last one that was committed, 0: none.
        world_size: Number of ranks.
        share: See `Checkpointer`.

    Raises:
        StorageError: no space, or any failing call; what was written is removed.
    """
    modes = Modes.of(share)
    path = _make(directory, modes)
    header: Mapping[str, object] = {
        "kind": "shard",
        "epoch": epoch,
        "attempt": layout.new_id(),
        "parent": None,
        "world_size": world_size,
        "ranks": [piece.rank],
        "about": about.to_json(),
    }
    try:
        shard.write_file(path / layout.shard(piece.rank), piece, header, trust, modes.file)
    except StorageError:
        _remove(path)  # nobody can read it, and epochs need the space
        raise
    for old in numbers(directory)[:-MOST]:
        _remove(directory / layout.postmortem(old))
    return path


def numbers(directory: Path) -> list[int]:
    """Those that there are, oldest first.

    Raises:
        StorageError: the directory could not be read.
    """
    found = (layout.postmortem_number(name) for name in disk.names(directory))
    return sorted(number for number in found if number is not None)


def shards(path: Path) -> list[Path]:
    """The files of one post-mortem.

    Raises:
        StorageError: it could not be read.
    """
    return [path / name for name in disk.names(path) if layout.is_shard(name)]


def _make(directory: Path, modes: Modes) -> Path:
    number = max(numbers(directory), default=0) + 1
    while True:
        path = directory / layout.postmortem(number)
        try:
            disk.make_directory(path, modes.directory)
        except StorageError as error:
            if error.errno != EEXIST:  # else another rank that fails at the same time
                raise
            number += 1
        else:
            return path


def _remove(path: Path) -> None:
    try:
        for file in shards(path):
            disk.unlink(file)
        disk.remove_directory(path)
    except StorageError:  # another rank was faster, or something in it is not ours
        return
