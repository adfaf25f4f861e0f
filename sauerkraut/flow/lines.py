"""Lines that hardly change from one frame of a journal to the next: which of them a frame gives.

One of few lines gives all, so that it stands by itself. One of many leaves out those at the
beginning and at the end that are as in the frame right before it, until the frames since one with
all lines have given as much as that: then all are given again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

_FEW = 4096  # bytes


class Given:
    """What the frames of one file give, in their order."""

    def __init__(self) -> None:
        self._before: tuple[bytes, ...] = ()
        self._room = 0  # bytes that may be given before all are given again

    def choose(self, lines: tuple[bytes, ...]) -> tuple[tuple[int, int], tuple[bytes, ...]]:
        """Return what the next frame gives.

        Returns:
            How many lines at the beginning and at the end are as before, and those between.
        """
        first, last = _like(lines, self._before)
        given = lines[first : len(lines) - last]
        self._before = lines
        self._room -= sum(map(len, given))
        if self._room >= 0:
            return (first, last), given
        self.give_all(lines)
        return (0, 0), lines

    def give_all(self, lines: tuple[bytes, ...]) -> None:
        """Note that the next frame gives all of its ``lines``."""
        self._before = lines
        nbytes = sum(map(len, lines))
        self._room = nbytes if nbytes > _FEW else -1


def complete(
    like: Sequence[int], given: Sequence[bytes], before: Sequence[bytes]
) -> tuple[bytes, ...]:
    """All lines of a frame; raises ValueError when those that it left out are not there."""
    first, last = map(int, like)
    if min(first, last) < 0 or first + last > len(before):
        raise ValueError(f"lines of the frame before: {like} of {len(before)}")
    return (*before[:first], *given, *before[len(before) - last :])


def _like(lines: Sequence[bytes], before: Sequence[bytes]) -> tuple[int, int]:
    """How many lines at the beginning, and how many others at the end, are as before."""
    first = _equal(lines, before)
    last = _equal(reversed(lines), reversed(before))
    return first, min(last, len(lines) - first, len(before) - first)


def _equal(lines: Iterable[bytes], others: Iterable[bytes]) -> int:
    count = 0
    for one, other in zip(lines, others, strict=False):
        if one is not other and one != other:
            break
        count += 1
    return count
