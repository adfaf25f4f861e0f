"""Which communicator of one rank is which one of another: told by the markers that crossed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

Node = tuple[int, int]
"""(rank, number of a communicator on that rank)."""
Signature = tuple[Any, ...]


def missing_holders(told: Sequence[Sequence[Signature]]) -> dict[Signature, list[int]]:
    """Signatures that not all of their members hold equally often, with those that hold fewer.

    Args:
        told: Of each rank, the signatures of its communicators.
    """
    counts = [Counter(each) for each in told]
    found: dict[Signature, list[int]] = {}
    for signature in {each: None for rank in told for each in rank}:
        ranks = sorted({*signature[0], *signature[1]})
        most = max(counts[rank][signature] for rank in ranks)
        fewer = [rank for rank in ranks if counts[rank][signature] < most]
        if fewer:
            found[signature] = fewer
    return found


def order_of(
    links: Sequence[Mapping[int, Node]], told: Sequence[Sequence[Signature]]
) -> list[dict[int, int]]:
    """The place of each communicator in one order of all, by rank and number there.

    Args:
        links: Of each rank: number -> what its lowest member, of an intercommunicator that of the
            other side, calls it. All members hang together by these.
        told: Of each rank, the signatures of its communicators.

    Returns:
        Of each rank: number -> place. Some are left out where links are missing or contradict.
    """
    linked: dict[Node, set[Node]] = {}
    for rank, own in enumerate(links):
        for number, other in own.items():
            linked.setdefault((rank, number), set()).add(other)
            linked.setdefault(other, set()).add((rank, number))
    places: list[dict[int, int]] = [{} for _ in told]
    place = 0
    for rank, signatures in enumerate(told):
        for number, signature in enumerate(signatures):
            if number in places[rank]:
                continue
            members = {*signature[0], *signature[1]}
            reached = _reached((rank, number), linked)
            if len(reached) == len(members) and {each for each, _ in reached} == members:
                for member, there in reached:
                    places[member][there] = place
                place += 1
    return places


def places_by_signature(told: Sequence[Sequence[Signature]]) -> list[dict[int, int]]:
    """As `order_of`, of those communicators that no rank can take for another."""
    twins = {each for signatures in told for each, n in Counter(signatures).items() if n > 1}
    alone = {each: None for signatures in told for each in signatures if each not in twins}
    place = {signature: i for i, signature in enumerate(alone)}
    return [
        {number: place[each] for number, each in enumerate(signatures) if each in place}
        for signatures in told
    ]


def _reached(start: Node, linked: Mapping[Node, set[Node]]) -> set[Node]:
    reached, waiting = {start}, [start]
    while waiting:
        new = linked.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached
