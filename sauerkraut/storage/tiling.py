"""Whether blocks fill an array: each of its elements is in exactly one of them."""

from __future__ import annotations

import math
from collections.abc import Mapping

Box = tuple[tuple[int, ...], tuple[int, ...]]
"""Index of the first element, and shape."""


def misfit(shape: tuple[int, ...], blocks: Mapping[int, Box]) -> str | None:
    """Say why the blocks of ranks do not fill an array of ``shape``; None when they do.

    Takes time proportional to the number of blocks and to how many lie beside each other along
    the first axis.
    """
    for rank, (start, extent) in blocks.items():
        if len(start) != len(shape) or len(extent) != len(shape):
            return f"rank {rank} says {len(start)} axes for a block of {len(extent)}"
        if any(
            not 0 <= first <= first + length <= whole
            for first, length, whole in zip(start, extent, shape, strict=True)
        ):
            return f"the block of rank {rank}, {extent} at {start}, lies outside of {shape}"
    pair = _overlap(blocks)
    if pair is not None:
        (one, first), (other, second) = ((rank, blocks[rank]) for rank in pair)
        return (
            f"the blocks of rank {one}, {first[1]} at {first[0]}, and rank {other}, {second[1]} at "
            f"{second[0]}, overlap"
        )
    held = sum(math.prod(extent) for _, extent in blocks.values())
    if held != math.prod(shape):
        return f"the blocks hold {held} of the {math.prod(shape)} elements of shape {shape}"
    return None


def _overlap(blocks: Mapping[int, Box]) -> tuple[int, int] | None:
    """Two ranks whose blocks have an element in common; the lower one first."""
    import numpy as np

    ranks = [rank for rank, (_, extent) in blocks.items() if math.prod(extent)]
    if len(ranks) < 2:
        return None
    ranks.sort(key=lambda rank: blocks[rank][0][0])
    starts = np.array([blocks[rank][0] for rank in ranks])
    ends = starts + np.array([blocks[rank][1] for rank in ranks])
    for i, rank in enumerate(ranks):
        beside = slice(i + 1, int(np.searchsorted(starts[:, 0], ends[i, 0])))
        common = (starts[beside] < ends[i]) & (starts[i] < ends[beside])
        found = np.flatnonzero(common.all(axis=1))
        if found.size:
            other = ranks[i + 1 + int(found[0])]
            return min(rank, other), max(rank, other)
    return None
