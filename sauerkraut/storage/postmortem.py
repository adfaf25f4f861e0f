"""Post-mortems: what ranks that failed left, for people. No epochs, and never restarted from.

::

    postmortem-3/
        shard-00001.h5      of a rank that failed

Ranks of one run that fail together write into one, whose number they agreed on when the run began.
They belong to nobody: any rank writes one without owning the directory, as nothing reads them but
`inspect`. Epochs come first: none is written in the space that the next epoch needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
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
    number: int | None = None,
    leave_free: int = 0,
    share: str | None = None,
) -> Path:
    """Store what one rank left in ``postmortem-N``; returns its path. Not collective.

    Args:
        directory: Of the epochs.
        piece: What is to be seen.
        about: What the job says of itself.
        trust: Its key, if any, authenticates the file.
        epoch: The last one that was committed, 0: none.
        world_size: Number of ranks.
        number: N; where it holds a post-mortem of this rank, or for None, the next one.
        leave_free: Bytes that must stay free: the size of an epoch.
        share: See `Checkpointer`.

    Raises:
        StorageError: no space, or any failing call; what was written is removed.
    """
    modes = Modes.of(share)
    disk.must_fit(directory, piece.nbytes, leave_free)
    header: Mapping[str, object] = {
        "kind": "shard",
        "epoch": epoch,
        "attempt": layout.new_id(),
        "parent": None,
        "world_size": world_size,
        "ranks": [piece.rank],
        "about": about.to_json(),
    }
    path = directory / layout.postmortem(number or next_number(directory))
    while True:
        _make(path, modes)
        file = path / layout.shard(piece.rank)
        try:
            shard.write_file(file, piece, header, trust, modes.file, leave_free=leave_free)
        except StorageError as error:
            if error.errno != EEXIST:
                with suppress(StorageError):  # those of other ranks stay
                    disk.unlink(file)  # nobody can read it, and epochs need the space
                    disk.remove_directory(path)
                raise
            path = directory / layout.postmortem(next_number(directory))
        else:
            break
    _prune(directory, path)
    return path


def next_number(directory: Path) -> int:
    """One more than any that there is.

    Raises:
        StorageError: the directory could not be read.
    """
    return max(numbers(directory), default=0) + 1


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


def _make(path: Path, modes: Modes) -> None:
    try:
        disk.make_directory(path, modes.directory)
    except StorageError as error:
        if error.errno != EEXIST:  # else another rank that fails at the same time made it
            raise


def _prune(directory: Path, written: Path) -> None:
    """Remove all but the newest, and but the one that was just written."""
    for number in numbers(directory)[:-MOST]:
        old = directory / layout.postmortem(number)
        with suppress(StorageError):  # another rank was faster, or something in it is not ours
            for file in shards(old) if old != written else []:
                disk.unlink(file)
            disk.remove_directory(old)
