"""Which rank takes which task at a restart."""

from __future__ import annotations

import heapq
from collections.abc import Mapping


def place(loads: Mapping[int, float], size: int) -> dict[int, int]:
    """Spread tasks so that no rank has much more to do than another.

    Longest processing time first (R. L. Graham, "Bounds on multiprocessing timing anomalies",
    1969): each task, the heaviest first, goes to the rank with the least so far. No rank gets more
    than 4/3 of what it would have at best. Of equal ones the smaller number comes first, so every
    rank finds the same.

    Args:
        loads: Task -> seconds that it took of a processor when that was measured last.
        size: Ranks.

    Returns:
        Task -> rank.
    """
    ranks = [(0.0, 0, rank) for rank in range(size)]  # seconds, tasks, rank: a heap
    found = {}
    for task in sorted(loads, key=lambda each: (-loads[each], each)):
        seconds, tasks, rank = ranks[0]
        heapq.heapreplace(ranks, (seconds + loads[task], tasks + 1, rank))
        found[task] = rank
    return found
