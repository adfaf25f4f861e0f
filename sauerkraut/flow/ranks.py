"""Steps on all ranks alike: one rank's error is every rank's, and no rank goes on alone."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from typing import TypeVar

from sauerkraut.checkpoint import leaving
from sauerkraut.checkpoint.agreement import Failure, raise_together, refuse_unlike, together
from sauerkraut.checkpoint.run import ARRIVAL_TIME
from sauerkraut.group import Group

T = TypeVar("T")


class Ranks:
    """The ranks of a flow; in one process, errors pass through as they are.

    Args:
        group: The ranks.
    """

    def __init__(self, group: Group) -> None:
        self.group = group
        self.first = group.rank == 0
        """Whether this rank speaks for all."""
        self.many = group.size > 1

    def together(self, phase: str, work: Callable[[], T]) -> list[T]:
        """Run ``work`` on every rank and return all results, in rank order. Collective.

        Raises:
            RankError: ``work`` raised on any rank; in one process, what it raised.
        """
        return together(self.group, phase, work) if self.many else [work()]

    def alike(self, values: Mapping[str, str]) -> None:
        """Refuse values that differ between ranks. Collective; raises RankError."""
        if self.many:
            refuse_unlike(self.group, "the flow", values)

    def settle(self, phase: str, error: BaseException | None) -> None:
        """End a part that may take any time on each rank, with the ``error`` of this one, if any.

        Collective. A rank that failed gives the others `ARRIVAL_TIME` seconds to come here, too;
        then it ends the job with its traceback, since they may wait for it somewhere else.

        Raises:
            RankError: a rank has failed, whose traceback is noted; in one process, ``error``.
        """
        if not self.many:
            if error is not None:
                raise error
            return
        self.group.where = phase
        pending = self.group.begin_consensus([int(error is not None)])
        if error is None:
            (failed,) = pending.wait()
        else:
            try:
                (failed,) = pending.wait(ARRIVAL_TIME)
            except TimeoutError:
                leaving.fail(self.group, error)
        if not failed:
            return
        trace = "" if error is None else "".join(traceback.format_exception(error)).rstrip()
        told = self.group.allgather(None if error is None else (Failure.of(error), trace))
        failures = {rank: each for rank, each in enumerate(told) if each is not None}
        lowest = min(failures)
        try:
            raise_together(
                self.group, phase, {rank: each for rank, (each, _) in failures.items()}, error
            )
        except BaseException as raised:
            if lowest != self.group.rank:
                raised.add_note(f"rank {lowest}:\n{failures[lowest][1]}")
            raise
