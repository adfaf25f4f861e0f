"""What one rank stores: named byte streams and typed arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import Buffer


@dataclass(frozen=True, slots=True)
class Stream:
    """Bytes under a name, e.g. ``control``, ``objects`` or ``providers/mesh``."""

    name: str
    """Path below ``/ranks/<rank>`` in the shard; parts separated by ``/``, none empty, . or .."""
    data: Buffer
    """C-contiguous; must not change until `write` has returned."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where an array lies in a larger one, of which each rank stores a block."""

    array: str
    """Name of the larger one, e.g. ``fields/u``."""
    start: tuple[int, ...]
    """Index of the block's first element in it."""
    shape: tuple[int, ...]
    """Of the larger one."""


@dataclass(frozen=True, slots=True)
class Array:
    """A contiguous block of memory, stored as a typed and shaped dataset."""

    name: str
    """Path below ``/ranks/<rank>`` in the shard, e.g. ``arrays/3``."""
    data: Buffer
    """C-contiguous, of the size dtype and shape say; must not change until `write` has returned."""
    dtype: str
    """NumPy's ``dtype.str``, or ``str(dtype)`` of a structured one; other text is kept as it is."""
    shape: tuple[int, ...]
    """C order; ``()`` for one element."""
    path: str = ""
    """How a person finds the block: ``simulate:u``. An attribute of the dataset."""
    place: Place | None = None
    """None: it is no part of a larger one."""


@dataclass(frozen=True, slots=True)
class Piece:
    """All that one rank stores in an epoch."""

    rank: int
    streams: tuple[Stream, ...]
    arrays: tuple[Array, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes of all streams and arrays."""
        data = [*(s.data for s in self.streams), *(a.data for a in self.arrays)]
        return sum(memoryview(each).nbytes for each in data)
