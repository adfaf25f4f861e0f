"""Arrays that the ranks hold together: which block of it is whose, agreed at each checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from sauerkraut.errors import CaptureError
from sauerkraut.storage import Place, tiling
from sauerkraut.storage.selection import integer
from sauerkraut.wording import counted


@dataclass(frozen=True, slots=True)
class Block:
    """How a rank's array is a block of one that all ranks hold together.

    ``Block(axis=0)``: the blocks follow each other along an axis in rank order. They may be of any
    length along it, also 0, and of another at each checkpoint; along other axes they are alike.

    ``Block(start=(0, 256), shape=(512, 512))``: this rank's begins at index ``start`` of a global
    array of ``shape``, as in a cartesian decomposition. The blocks must fill it, each element once.

    Halos are left out by the program: what is stored is what ``save`` returns, ``u[1:-1]`` say.

    Args:
        axis: Along which the blocks lie; a negative one counts from the last.
        start: Index of the first element of this rank's block, one number per axis; the same as
            long as the run lasts.
        shape: Of the global array; the same on every rank.

    Raises:
        ValueError: neither an axis, nor start and shape; or both; or these are no indices.
        TypeError: they are no integers, or start and shape no tuples of them.
    """

    axis: int | None = None
    start: tuple[int, ...] | None = None
    shape: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if (self.axis is None) == (self.start is None) or (self.start is None) != (
            self.shape is None
        ):
            raise ValueError("Block: give an axis, or start and shape")
        if self.axis is not None:
            object.__setattr__(self, "axis", integer("Block: axis=", self.axis))
        if self.start is None or self.shape is None:
            return
        for name, value in (("start", self.start), ("shape", self.shape)):
            numbers = _integers(f"Block: {name}=", value)
            if any(number < 0 for number in numbers):
                raise ValueError(f"Block: {name}={value} has a negative number")
            object.__setattr__(self, name, numbers)
        if len(self.start) != len(self.shape) or not self.start:
            raise ValueError(f"Block: start={self.start} and shape={self.shape} differ in length")

    def along(self, shape: tuple[int, ...]) -> int | None:
        """The axis, counted from the first, for a block of ``shape``; None: `start` tells.

        Raises:
            ValueError: a block of that shape cannot lie so.
        """
        axes = counted(len(shape), "axis", "axes")
        if self.start is not None:
            if len(self.start) != len(shape):
                raise ValueError(f"has {axes}, and start={self.start} as many numbers")
            return None
        axis = self.axis or 0
        if not -len(shape) <= axis < len(shape):
            advice = f"axes are 0 to {len(shape) - 1}" if shape else "reshape it to (1,)"
            raise ValueError(f"has {axes}, none of which is axis {axis}: {advice}")
        return axis % len(shape)


def _integers(what: str, value: object) -> tuple[int, ...]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise TypeError(f"{what} is a tuple with a number for each axis, not {value!r:.40}")
    return tuple(integer(f"each number of {what}", each) for each in value)


@dataclass(frozen=True, slots=True)
class Held:
    """What a rank tells the others of its block."""

    array: str
    """Of the array that all hold together: ``fields/u``."""
    dtype: str
    shape: tuple[int, ...]
    """Of the block."""
    axis: int | None
    """Along which the blocks follow each other; None: `start` and `whole` tell."""
    start: tuple[int, ...] = ()
    whole: tuple[int, ...] = ()
    """Shape of the array."""


Told = Sequence[Mapping[str, Held]]
"""By rank: what it holds, by the array's name."""


def places(told: Told, rank: int) -> dict[str, Place]:
    """Where the blocks of one rank lie; once `refuse_misfits` refused nothing."""
    found = {}
    for name, held in told[rank].items():
        start, whole = held.start, held.whole
        if (axis := held.axis) is not None:
            lengths = [0, *accumulate(each[name].shape[axis] for each in told)]
            start = tuple(lengths[rank] if i == axis else 0 for i in range(len(held.shape)))
            whole = tuple(lengths[-1] if i == axis else n for i, n in enumerate(held.shape))
        found[name] = Place(name, start, whole)
    return found


def alike(numbers: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The numbers that all ranks saved alike."""
    first, *others = numbers
    return {
        name: value
        for name, value in first.items()
        if all(repr(each.get(name)) == repr(value) for each in others)
    }


def refuse_misfits(told: Told) -> None:
    """Refuse blocks that make no array.

    Raises:
        CaptureError: names the array, the ranks and what differs.
    """
    for name in sorted({name for each in told for name in each}):
        held = {rank: each[name] for rank, each in enumerate(told) if name in each}
        lacking = next((rank for rank in range(len(told)) if rank not in held), None)
        if lacking is not None:
            raise CaptureError(
                f"{name}: rank {lacking} holds no block of it, rank {min(held)} does; "
                "one that has no part of it saves an array of length 0"
            )
        problem = _difference(held) or _misfit(held)
        if problem is not None:
            raise CaptureError(f"{name}: {problem}")


def _difference(held: Mapping[int, Held]) -> str | None:
    """What must be the same on every rank and is not."""
    first = held[0]
    for rank, each in held.items():
        for what, then, now in (
            ("dtype", first.dtype, each.dtype),
            ("number of axes", len(first.shape), len(each.shape)),
            ("layout along axis", first.axis, each.axis),
            ("global shape", first.whole, each.whole),
            ("other axes of", _beside(first), _beside(each)),
        ):
            if then != now:
                return f"{what} {then} on rank 0, {now} on rank {rank}"
    return None


def _beside(held: Held) -> tuple[int, ...]:
    """The extents that all blocks have in common."""
    if held.axis is None:
        return ()
    return tuple(length for i, length in enumerate(held.shape) if i != held.axis)


def _misfit(held: Mapping[int, Held]) -> str | None:
    if held[0].axis is not None:
        return None
    return tiling.misfit(
        held[0].whole, {rank: (each.start, each.shape) for rank, each in held.items()}
    )
