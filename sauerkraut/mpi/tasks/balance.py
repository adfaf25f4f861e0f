"""Strategies of load balancing: which task goes to which rank, from what was measured of them.

Each is a function of the loads and the number of ranks, the same on every rank: it uses no random
numbers, and where two choices are equal it takes the lower number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

TOLERANCE = 0.05
"""A rank is overloaded when it has this part more than the average."""
GAIN = 0.02
"""A plan must take this part from the largest load of a rank; measuring is no better than that."""
SWEEPS = 64
"""Of diffusion in one round, at most: each is one exchange with both neighbours."""


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured of one task."""

    task: int
    """Its id."""
    rank: int
    """Where it is."""
    seconds: float
    """Of the processor, since the last round."""
    nbytes: int = 0
    """Of its stack with all that it holds, when it last moved or was looked at; 0: not known."""
    traffic: Mapping[int, int] = field(default_factory=dict)
    """Task -> bytes sent to it since the last round."""
    stays: bool = False
    """Whether it could not be moved the last time: a strategy leaves it where it is."""


Plan = Mapping[int, int]
"""Task -> the rank where it goes; those that are not in it stay."""
Strategy = Callable[[Sequence[Load], int], Plan]
"""Makes a plan of the loads of all tasks, for that many ranks."""


def of_ranks(loads: Sequence[Load], ranks: int, plan: Plan | None = None) -> list[float]:
    """Seconds of each rank: as they are, or as ``plan`` would have them."""
    seconds = [0.0] * ranks
    for each in loads:
        seconds[each.rank if plan is None else plan.get(each.task, each.rank)] += each.seconds
    return seconds


def imbalance(seconds: Sequence[float]) -> float:
    """The largest over the average, minus 1: the part of the time that the others wait."""
    total = sum(seconds)
    return max(seconds) * len(seconds) / total - 1 if total > 0 else 0.0


def greedy(loads: Sequence[Load], ranks: int) -> Plan:
    """Give the heaviest task that is left to the rank that has least, until none is left.

    Longest processing time first (Graham, *Bounds on multiprocessing timing anomalies*, 1969), as
    GreedyLB of Charm++. The best spread, and the most moves: it starts from nothing, and only where
    two ranks have equally little does a task stay. Not done at all for a gain below `GAIN`.
    """
    seconds = of_ranks([each for each in loads if each.stays], ranks)
    least = [(has, rank) for rank, has in enumerate(seconds)]
    heapify(least)
    plan: dict[int, int] = {}
    for each in _from_the_heaviest(loads):
        while least[0][0] != seconds[least[0][1]]:
            heappop(least)  # it has got more since
        has, rank = least[0]
        rank = each.rank if seconds[each.rank] <= has else rank
        seconds[rank] += each.seconds
        heappush(least, (seconds[rank], rank))
        plan[each.task] = rank
    return plan if _gains(loads, ranks, plan) else {}


def refine(loads: Sequence[Load], ranks: int) -> Plan:
    """Take tasks off overloaded ranks only, one after the other, until none is overloaded.

    As RefineLB of Charm++ (Kalé et al., from NAMD's balancer): of the rank that has most, the
    heaviest task goes that leaves the rank it goes to within `TOLERANCE` of the average, and if
    there is none, the one that leaves the larger of both smallest. Of the ranks that would be
    within it, one is taken to or from whose tasks most bytes were sent (as RefineCommLB), then the
    one that has least. Few moves; no rank gets more than the largest had.
    """
    seconds = of_ranks(loads, ranks)
    limit = (1 + TOLERANCE) * sum(seconds) / ranks
    place = {each.task: each.rank for each in loads}
    near = _Neighbours(loads)
    on: list[list[Load]] = [[] for _ in range(ranks)]
    for each in _from_the_heaviest(loads):
        on[each.rank].append(each)
    done: set[int] = set()
    while True:
        heavy = [rank for rank in range(ranks) if seconds[rank] > limit and rank not in done]
        if not heavy:
            return {each.task: place[each.task] for each in loads if place[each.task] != each.rank}
        source = max(heavy, key=lambda rank: (seconds[rank], -rank))
        found = _best_move(on[source], source, seconds, limit, near, place)
        if found is None:
            done.add(source)
            continue
        load, dest = found
        on[source].remove(load)
        seconds[source] -= load.seconds
        seconds[dest] += load.seconds
        place[load.task] = dest


def _best_move(
    movable: Sequence[Load],
    source: int,
    seconds: Sequence[float],
    limit: float,
    near: _Neighbours,
    place: Mapping[int, int],
) -> tuple[Load, int] | None:
    """The task that leaves ``source``, of those from the heaviest down, and where it goes to."""
    others = [rank for rank in range(len(seconds)) if rank != source]
    if not others:
        return None
    least = min(others, key=lambda rank: seconds[rank])
    for load in movable:
        if seconds[least] + load.seconds <= limit:
            fitting = [rank for rank in others if seconds[rank] + load.seconds <= limit]
            sent = near.by_rank(load.task, place)
            return load, max(fitting, key=lambda rank: (sent.get(rank, 0), -seconds[rank], -rank))

    def larger(load: Load) -> float:
        return max(seconds[source] - load.seconds, seconds[least] + load.seconds)

    best = min(movable, key=lambda load: (larger(load), load.task), default=None)
    return None if best is None or larger(best) >= seconds[source] else (best, least)


def diffusive(loads: Sequence[Load], ranks: int) -> Plan:
    """Let load flow between ranks of neighbouring numbers, from the one that has more.

    First-order diffusion on the ring of ranks (Cybenko, *Dynamic load balancing for distributed
    memory multiprocessors*, 1989): in each sweep a third of the difference flows over each edge
    (half of it between two ranks), at most `SWEEPS` in a round, so over a long ring balance comes
    in several rounds. What flows is then made up of tasks: those first to or from whose tasks at
    the neighbour most bytes were sent, as long as a task is not more than twice what is left.
    Neighbours stay neighbours: for tasks that send to those of the next numbers.
    """
    if ranks < 2:
        return {}
    flows = _diffuse(of_ranks(loads, ranks))
    near = _Neighbours(loads)
    place = {each.task: each.rank for each in loads}
    left: list[list[Load]] = [[] for _ in range(ranks)]
    for each in _from_the_heaviest(loads):
        left[each.rank].append(each)
    plan: dict[int, int] = {}
    for (source, dest), flow in sorted(flows.items(), key=lambda item: (-item[1], item[0])):

        def order(load: Load, source: int = source, dest: int = dest) -> tuple[float, float, int]:
            sent = near.by_rank(load.task, place)
            return sent.get(source, 0) - sent.get(dest, 0), -load.seconds, load.task

        for load in sorted(left[source], key=order):
            if load.seconds <= 2 * flow:
                flow -= load.seconds
                plan[load.task] = dest
                left[source].remove(load)
    return plan if _gains(loads, ranks, plan) else {}


def _diffuse(seconds: list[float]) -> dict[tuple[int, int], float]:
    """What flows from rank to rank, net."""
    ranks = len(seconds)
    edges = [(rank, (rank + 1) % ranks) for rank in range(ranks if ranks > 2 else 1)]
    part = 1 / 3 if ranks > 2 else 1 / 2
    flows = dict.fromkeys(edges, 0.0)
    average = sum(seconds) / ranks
    for _ in range(SWEEPS):
        if max(seconds) <= (1 + TOLERANCE / 5) * average:
            break
        before = list(seconds)
        for one, other in edges:
            flow = part * (before[one] - before[other])
            flows[one, other] += flow
            seconds[one] -= flow
            seconds[other] += flow
    return {
        ((one, other) if flow > 0 else (other, one)): abs(flow)
        for (one, other), flow in flows.items()
        if flow
    }


def rotate(loads: Sequence[Load], ranks: int) -> Plan:
    """Send every task to the next rank: for tests of whether a program's tasks can move."""
    return {each.task: (each.rank + 1) % ranks for each in loads}


STRATEGIES: Mapping[str, Strategy] = {
    each.__name__: each for each in (greedy, refine, diffusive, rotate)
}
"""The ones that have a name."""


class _Neighbours:
    """Bytes between tasks, sent in either direction."""

    def __init__(self, loads: Sequence[Load]) -> None:
        self._sent: dict[int, dict[int, int]] = {each.task: {} for each in loads}
        for each in loads:
            for other, nbytes in each.traffic.items():
                if other in self._sent:
                    self._sent[each.task][other] = self._sent[each.task].get(other, 0) + nbytes
                    self._sent[other][each.task] = self._sent[other].get(each.task, 0) + nbytes

    def by_rank(self, task: int, place: Mapping[int, int]) -> dict[int, int]:
        """Rank -> bytes between this task and those of the rank."""
        found: dict[int, int] = {}
        for other, nbytes in self._sent[task].items():
            found[place[other]] = found.get(place[other], 0) + nbytes
        return found


def _from_the_heaviest(loads: Sequence[Load]) -> list[Load]:
    """Those that may move, and have done anything."""
    found = [each for each in loads if each.seconds > 0 and not each.stays]
    return sorted(found, key=lambda load: (-load.seconds, load.task))


def _gains(loads: Sequence[Load], ranks: int, plan: Plan) -> bool:
    before, after = max(of_ranks(loads, ranks)), max(of_ranks(loads, ranks, plan))
    return after < (1 - GAIN) * before
