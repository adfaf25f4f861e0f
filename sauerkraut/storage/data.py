"""The data of an epoch without its frames: arrays put together from what the ranks stored.

A program that runs on another number of ranks cannot take up the frames of those that wrote. It can
start afresh from their data: what `Checkpointer.provide` stored with a layout.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sauerkraut.errors import CorruptCheckpoint, NoSuchArray, StorageError
from sauerkraut.settings import Settings
from sauerkraut.storage import catalog, claims, disk, dtypes
from sauerkraut.storage.epoch import Block, GlobalArray, Manifest
from sauerkraut.storage.selection import integer, select, within
from sauerkraut.storage.shard import Shard
from sauerkraut.storage.trust import Trust
from sauerkraut.wording import counted, printable

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

_AT_ONCE = 64 << 20
"""Bytes of a shard that are in memory beside the result."""


def open(  # noqa: A001 - storage.open(DIR)
    directory: str | os.PathLike[str], *, epoch: int | None = None
) -> Data:
    """Open the arrays of an epoch for a fresh start from data, on any number of ranks.

    No frame is resumed and nothing is unpickled: the program begins anew, with arrays that it takes
    from here. Looks at the tables of all files that have a part of them; bytes are read, and their
    hashes checked, when they are asked for. Needs neither MPI nor ownership of the directory. Not
    collective: one rank opens, and gives the others what this returns (it can be pickled), so that
    all read the same epoch.

    Args:
        directory: That of a Checkpointer. Nothing is written to it.
        epoch: Number of the one to open; None: the newest whose files are whole. Those passed over
            are logged, and told when the result is printed.

    Raises:
        NoCheckpoint: there is no committed epoch, or not the one asked for; or the directory is
            that of one epoch.
        TypeError: ``epoch`` is no integer.
        CorruptCheckpoint: none is whole, or not the one asked for.
        UntrustedCheckpoint: it has a key, and SAUERKRAUT_KEY_FILE does not name it.
        StorageError: it could not be read.
    """
    directory = Path(directory).absolute()
    epoch = None if epoch is None else integer("epoch=", epoch)
    trust = _trust()
    passed_over: list[str] = []
    for entry in catalog.committed(directory):
        if epoch not in (None, entry.name.number):
            continue
        try:
            return Data(_whole(entry.path, trust), passed_over)
        except StorageError as error:
            if epoch is None and not disk.is_directory(entry.path):
                return open(directory)  # a run that goes on removed it: there is a newer one
            if epoch is not None or not isinstance(error, CorruptCheckpoint):
                raise
            log.warning("%s; trying the epoch before it", error)
            passed_over.append(str(error))
    if passed_over:
        raise CorruptCheckpoint(f"{directory}: no epoch is whole: {passed_over[0]}")
    raise catalog.none_committed(directory, epoch)


def _trust() -> Trust:
    return Trust.of(Settings.from_environment(), data_only=True)


def _whole(path: Path, trust: Trust) -> Manifest:
    """Read the manifest of an epoch all of whose tables are whole."""
    manifest = catalog.read_manifest(path, trust)
    missing = catalog.missing(manifest)
    if missing:
        raise CorruptCheckpoint(f"{missing[0]} is missing")
    arrays = manifest.arrays()
    for array in arrays.values():
        problem = claims.problem(array)
        if problem is not None:
            raise CorruptCheckpoint(f"{path}: {array.name}: {problem}")
    for seal in manifest.seals:
        if seal.blocks:
            with Shard.open(path / seal.file, trust, seal=seal) as shard:
                blocks = [array.blocks.get(seal.rank) for array in arrays.values()]
                _must_be_full(shard, [block for block in blocks if block is not None])
    return manifest


def _must_be_full(shard: Shard, blocks: list[Block]) -> None:
    """Refuse blocks that are said to be larger than what is there: memory is taken for them."""
    for block in blocks:
        problem = claims.wrong_size(block.dtype, block.shape, shard.nbytes(block.name))
        if problem is not None:
            raise CorruptCheckpoint(f"{shard.path}: {block.name}: {problem}")


class Data(Mapping[str, "StoredArray"]):
    """Arrays of one epoch by name, as in ``data["fields/u"]``; print it to see them.

    Can be pickled, and so broadcast, or be in a variable when a checkpoint is taken.
    """

    def __init__(self, manifest: Manifest, passed_over: list[str]) -> None:
        self._manifest = manifest
        self._arrays = {
            name: StoredArray(array, manifest) for name, array in manifest.arrays().items()
        }
        self.passed_over = tuple(passed_over)
        """Why newer epochs were not chosen."""

    @property
    def path(self) -> Path:
        """The epoch's directory."""
        return self._manifest.epoch.path

    @property
    def epoch(self) -> int:
        """Its number."""
        return self._manifest.epoch.number

    @property
    def step(self) -> float | None:
        """What the program gave to ``poll``; None: nothing."""
        return self._manifest.epoch.step

    @property
    def metrics(self) -> Mapping[str, float]:
        """Numbers that the program gave to ``poll`` or ``checkpoint``."""
        return self._manifest.epoch.metrics

    @property
    def numbers(self) -> Mapping[str, float]:
        """Those that all ranks saved alike beside their blocks, by name, as ``fields/time``."""
        return self._manifest.numbers

    @property
    def when(self) -> datetime:
        """When it was committed, in UTC."""
        return self._manifest.epoch.when

    @property
    def world_size(self) -> int:
        """How many ranks wrote it."""
        return self._manifest.world_size

    @property
    def final(self) -> bool:
        """Whether it is the last one of a run that returned."""
        return self._manifest.about.final

    def __getitem__(self, name: str) -> StoredArray:
        """Return an array, of which nothing was read yet; raises NoSuchArray."""
        try:
            return self._arrays[name]
        except KeyError:
            there = ", ".join(self._arrays) or "none: provide(..., layout=) stores them"
            raise NoSuchArray(f"{self.path} has no array {name!r}; it has {there}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def __repr__(self) -> str:
        about = [f"epoch {self.epoch} of {self.path.parent}"]
        if self.step is not None:
            about.append(f"step {self.step:.12g}")
        about += [f"{name}={value:.6g}" for name, value in self.metrics.items()]
        about.append(f"committed {self.when:%Y-%m-%d %H:%M:%S} UTC")
        about.append(f"written by {counted(self.world_size, 'rank')}")
        if self.final:
            about.append("final: the run has returned")
        rows = [each._row() for each in self._arrays.values()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = [
            "  " + "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True))
            for row in rows
        ]
        lines = lines or ["  no array: none was provided with a layout"]
        lines += [f"  {name} = {value!r}" for name, value in self.numbers.items()]
        lines = [
            ", ".join(about),
            *(line.rstrip() for line in lines),
            *(f"  passed over: {problem}" for problem in self.passed_over),
            "data for a fresh start on any number of ranks; no frame is resumed from it",
        ]
        return "\n".join(map(printable, lines))

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._arrays)


class StoredArray:
    """An array in an epoch, put together from the blocks of its ranks when it is read.

    ``array[...]`` with integers, slices and ``...`` returns a NumPy array of one's own (or a
    scalar), as does ``numpy.asarray(array)`` of all of it. Only the shards that have a part of it
    are opened, and of those only the rows along the first axis that are asked for are read; their
    hashes are checked.

    Raises, when it is read:
        CorruptCheckpoint: bytes are not those that were written; names file and place.
        StorageError: they could not be read, or the epoch was removed meanwhile.
        IndexError, TypeError: the index means nothing.
    """

    def __init__(self, array: GlobalArray, manifest: Manifest) -> None:
        self._array = array
        self._manifest = manifest

    @property
    def name(self) -> str:
        """Provider and key, as in ``fields/u``."""
        return self._array.name

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole."""
        return self._array.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of its elements."""
        return dtypes.parse(self._array.dtype)

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self.size * int(self.dtype.itemsize)

    @property
    def blocks(self) -> dict[int, tuple[slice, ...]]:
        """Where the block of each rank that wrote lies."""
        return {
            rank: tuple(
                slice(first, first + length)
                for first, length in zip(block.place.start, block.shape, strict=True)
            )
            for rank, block in self._array.blocks.items()
        }

    def part(self, rank: int, size: int, axis: int = 0) -> slice:
        """Return what is rank ``rank``'s of ``size`` along an axis; the first ones get one more.

        ``array[array.part(rank, size)]`` is that, and ``array[:, array.part(rank, size, 1)]`` along
        the next axis. All parts together are the axis, once.

        Raises:
            ValueError: there is no such rank or axis.
            TypeError: an argument is no integer.
        """
        rank, size = integer("rank=", rank), integer("size=", size)
        axis = integer("axis=", axis)
        if size < 1:
            raise ValueError(f"size={size}: give the number of ranks, at least 1")
        if not 0 <= rank < size:
            raise ValueError(f"rank {rank} of {size}: ranks are 0 to {size - 1}")
        if not -self.ndim <= axis < self.ndim:
            raise ValueError(
                f"axis {axis} of {self.name}, which has {counted(self.ndim, 'axis', 'axes')}"
            )
        length, rest = divmod(self.shape[axis], size)
        start = rank * length + min(rank, rest)
        return slice(start, start + length + (rank < rest))

    def __getitem__(self, key: Any) -> Any:
        import numpy as np

        selection = select(key, self.shape)
        result = np.empty(selection.shape, self.dtype)
        if result.size:
            trust = _trust()
            for rank, block in self._array.blocks.items():
                self._fill(result, selection.ranges, rank, block, trust)
        return result[selection.finish]

    def _fill(
        self,
        result: np.ndarray[Any, Any],
        ranges: tuple[range, ...],
        rank: int,
        block: Block,
        trust: Trust,
    ) -> None:
        """Copy what lies in one rank's block."""
        parts = within(ranges, (block.place.start, block.shape))
        if parts is None:
            return
        seal = self._manifest.seals[rank]
        row = int(result.dtype.itemsize) * math.prod(block.shape[1:])
        rows, to = parts[0].of_block, result[tuple(part.goes_to for part in parts)]
        others = tuple(
            slice(part.of_block.start, part.of_block.stop, part.of_block.step) for part in parts[1:]
        )
        count = max(1, _AT_ONCE // (row * rows.step))
        with Shard.open(self._manifest.epoch.path / seal.file, trust, seal=seal) as shard:
            for first in range(0, len(rows), count):
                some = rows[first : first + count]
                read = some[-1] - some[0] + 1
                data = shard.part(block.name, some[0] * row, read * row)
                lines = _array(data, (read, *block.shape[1:]), result.dtype)
                to[first : first + count] = lines[(slice(None, None, rows.step), *others)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        if copy is False:
            raise ValueError(f"{self.name} has to be read: it cannot be had without a copy")
        whole: np.ndarray[Any, Any] = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        name, *rest = self._row()
        return printable(f"{name}: {', '.join(rest)}")

    def _row(self) -> tuple[str, ...]:
        blocks = counted(len(self._array.blocks), "block")
        return self.name, str(self.dtype), str(self.shape), f"in {blocks}"


def _array(data: memoryview, shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.frombuffer(data, dtype).reshape(shape)
