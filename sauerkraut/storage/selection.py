"""What ``array[...]`` asks for, axis by axis, and which part of it lies in a block."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sauerkraut.storage.tiling import Box


@dataclass(frozen=True, slots=True)
class Selection:
    """Indices along each axis, ascending, and how a person wants the result."""

    ranges: tuple[range, ...]
    finish: tuple[slice | int, ...]
    """Index into what was selected: turns axes round and drops those asked for by a number."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of what is selected, before `finish`."""
        return tuple(map(len, self.ranges))


@dataclass(frozen=True, slots=True)
class Part:
    """Along one axis: what of a block is selected, and where it goes."""

    of_block: range
    """Indices into the block; not empty."""
    goes_to: slice
    """Of what was selected."""


def select(key: Any, shape: tuple[int, ...]) -> Selection:
    """Read what stands in the brackets: numbers, slices with any step, and one ``...``.

    Raises:
        IndexError: a number is out of bounds, or there are more than axes.
        TypeError: something else, such as a list or a mask.
    """
    keys = list(key) if isinstance(key, tuple) else [key]
    dots = [i for i, each in enumerate(keys) if each is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if len(keys) - len(dots) > len(shape):
        raise IndexError(f"{len(keys) - len(dots)} indices for an array of {len(shape)} axes")
    at = dots[0] if dots else len(keys)
    keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + len(dots))
    ranges, finish = [], []
    for axis, (each, length) in enumerate(zip(keys, shape, strict=True)):
        indices, then = _along(each, axis, length)
        ranges.append(indices)
        finish.append(then)
    return Selection(tuple(ranges), tuple(finish))


def integer(what: str, value: Any) -> int:
    """Read a number of an axis, a rank or an element.

    Raises:
        TypeError: it is none, or a truth value; says what it was to be.
    """
    try:
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool):
        raise TypeError(f"{what} is an integer, as 0, not {value!r:.40}")
    return found


def _along(key: Any, axis: int, length: int) -> tuple[range, slice | int]:
    if isinstance(key, slice):
        found = range(length)[key]
        if found.step < 0:
            return found[::-1], slice(None, None, -1)
        return found, slice(None)
    try:
        index = integer("an index", key)
    except TypeError:
        raise TypeError(
            f"{type(key).__name__} as index: take integers, slices and ..., and NumPy's indices of "
            "the result"
        ) from None
    if not -length <= index < length:
        raise IndexError(f"index {index} is out of bounds for axis {axis} with size {length}")
    index %= length
    return range(index, index + 1), 0


def within(ranges: Sequence[range], block: Box) -> list[Part] | None:
    """What of ascending ``ranges`` lies in a block, by axis; None: nothing."""
    parts = []
    for indices, start, length in zip(ranges, *block, strict=True):
        first = max(0, -(-(start - indices.start) // indices.step))
        last = min(len(indices), -(-(start + length - indices.start) // indices.step))
        if first >= last:
            return None
        chosen = indices[first:last]
        of_block = range(chosen.start - start, chosen[-1] - start + 1, chosen.step)
        parts.append(Part(of_block, slice(first, last)))
    return parts
